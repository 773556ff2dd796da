"""What the documents name exists: files, metrics, settings, commands, alerting rules that Prometheus accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from opsd.cli.main import main
from opsd.supervisor.settings import setting_fields

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RULES = ROOT / "deploy" / "prometheus" / "opsd.rules.yml"


def _metrics() -> set[str]:
    """Every metric that the daemon declares; a family without a value yet is not in a scrape."""
    sources = (ROOT / "opsd" / "supervisor").glob("*metrics.py")
    return set(re.findall(r'"(opsd_[a-z_]+)"', "".join(path.read_text() for path in sources)))


@pytest.mark.parametrize("document", [*DOCUMENTS, RULES], ids=lambda path: path.name)
def test_every_metric_that_is_named_is_exported(document: Path) -> None:
    named = set(re.findall(r"\bopsd_[a-z_]+", document.read_text()))
    assert not named - _metrics()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_linked_is_there(document: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_setting_that_is_named_can_be_set() -> None:
    tables = {key.partition(".")[0] for key in setting_fields() if "." in key}
    named = set(re.findall(rf"`((?:{'|'.join(tables)})\.[a-z_]+)`", "".join(path.read_text() for path in DOCUMENTS)))
    assert named
    assert not named - set(setting_fields())


def test_the_readme_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    commands = set(re.findall(r"^  ([a-z-]+)  ", capsys.readouterr().out, re.MULTILINE)) - {"version"}
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("| command |") : readme.index("The same commands")]
    assert {command for command in commands if f"`opsd {command}`" in table or f"`{command}`" in table} == commands


def test_prometheus_accepts_the_alerting_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: install Debian's package prometheus")
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

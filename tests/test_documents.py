"""What the documents name exists: files, metrics, settings, commands; their examples can be used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opsd.cli.main import main
from opsd.contract.ids import LoopId
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.layout import ManagerLayout
from opsd.storage.model import Document, RowLog
from opsd.supervisor.settings.load import load_settings, setting_fields
from tools.declared_metrics import daemon_metrics, sprite_metrics

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_metric_that_is_named_is_exported(document: Path) -> None:
    exported = {metric.name for metric in (*daemon_metrics(), *sprite_metrics())}
    named = set(re.findall(r"\b(?:opsd|sprite_service)_[a-z_]+", document.read_text()))
    assert not named - exported


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
    commands = {" ".join(row.split("  ")[0].split()) for row in _rows(capsys.readouterr().out)} - {"version"}
    assert {"run", "fleet status", "token new"} <= commands
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("| command |") : readme.index("`opsd <command> --help`")]
    named = [
        words for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for words in re.findall(r"`(.+?)`", cell)
    ]
    group, shown = "", set()
    for words in (words.removeprefix("opsd ") for words in named):
        group = words.partition(" ")[0] if " " in words else group
        shown |= {words, f"{group} {words}"}
    assert commands - shown == set()


def _rows(usage: str) -> list[str]:
    return [line.strip() for line in usage.splitlines() if line.startswith("  ")]


def test_every_file_of_the_manager_that_the_runbook_names_is_one() -> None:
    layout = ManagerLayout("/repo", LoopId("loop"))
    paths = [*(layout.path(part) for part in (*Document, *RowLog)), f"{layout.telemetry_folder}/alert-deliveries.jsonl"]
    loop = {path.removeprefix(f"{layout.folder}/") for path in paths}
    fleet = {f"fleet/{part.value}" for part in (*FleetDocument, *FleetLog)}
    text = (ROOT / "docs" / "runbook.md").read_text() + (ROOT / "docs" / "reference" / "reasons.md").read_text()
    named = set(re.findall(r"`((?:fleet|telemetry)/[a-z./0-9-]+\.jsonl?)`", text))
    assert named
    assert not named - loop - fleet


def test_the_map_of_documents_shows_all_of_them() -> None:
    shown = (ROOT / "docs" / "index.md").read_text()
    for document in (ROOT / "docs").rglob("*.md"):
        assert document.name == "index.md" or f"]({document.relative_to(ROOT / 'docs')})" in shown, document.name


def test_the_examples_of_configuration_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "configure.md").read_text()
    settings, registry = tmp_path / "opsd.toml", tmp_path / "registry.json"
    settings.write_text(re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])
    assert load_settings({}, {}, str(settings)).settings.observe.idle_resync_seconds == 1800
    registry.write_text(re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])
    assert main(["fleet", "registry", "--repo", str(tmp_path), "--registry-file", str(registry)]) == 0
    assert json.loads(capsys.readouterr().out)["loopCount"] == 1

"""Reference documents: up to date, complete, and of the code as it is."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from enum import StrEnum

import pytest

import opsd
from opsd.cli.main import table
from opsd.supervisor.settings.load import env_name, setting_fields
from sprite_service.main import parser as sprite_parser
from tests.supervisor.test_metrics import busy_metrics, text_of
from tools.__main__ import ROOT, generate, main
from tools.declared_metrics import daemon_metrics, sprite_metrics
from tools.reference import reasons
from tools.reference.commands import commands
from tools.reference.environment import VARIABLES
from tools.reference.meanings import GROUPS, Codes


def test_what_is_written_is_what_the_code_says() -> None:
    stale = [path.name for path, text in generate().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_check_tells_which_file_is_stale(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    monkeypatch.setattr("tools.reference.reasons.document", lambda: "else\n")
    assert main(["--check"]) == 1
    assert "docs/reference/reasons.md" in capsys.readouterr().err
    assert main([]) == 2


def test_every_command_is_there_with_the_flags_of_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    described = {usage.name.removeprefix("opsd "): usage for usage in commands()}
    for name, (_target, summary) in table().items():
        assert not summary or any(f"{one} ".startswith(f"{name} ") for one in described), name
    for usage in described.values():
        for flag, _text in usage.flags:
            assert flag.startswith("--"), (usage.name, flag)
    assert {"--repo <path>", "--skip-bad-line <n>"} <= {flag for flag, _ in described["reconcile"].flags}
    assert "--folder <folder>" in {flag for flag, _ in described["demo"].flags}
    assert described["run"].takes_settings


def test_exit_codes_other_than_failure_are_described() -> None:
    assert {usage.name for usage in commands() if len(usage.exits) > 2 and 2 in usage.exits} >= {
        "opsd control",
        "opsd promotion gates",
        "opsd promotion ci",
        "opsd horizon-bridge",
    }


def test_every_option_of_the_sprite_service_is_there() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for option in re.findall(r"--[a-z-]+", sprite_parser().format_usage()):
        assert f"`{option}" in page, option


def test_every_variable_that_a_program_reads_is_described() -> None:
    named: set[str] = set()
    for folder in ("opsd", "sprite_service"):
        for path in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"\b(?:OPS_MANAGER|OPSD)_[A-Z_]*[A-Z]\b", path.read_text()))
    settings = {env_name(key) for key in setting_fields()}
    assert named - settings == {variable.name for variable in VARIABLES} - {"CREDENTIALS_DIRECTORY", "SUPERLOOP_BIN"}


def test_every_family_of_a_scrape_was_declared() -> None:
    scraped = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text_of(busy_metrics()), re.MULTILINE))
    declared = {metric.name: metric.kind for metric in daemon_metrics()}
    assert scraped.items() <= declared.items()


def test_every_label_of_a_scrape_was_declared() -> None:
    labels = {name: set(metric.labels) for metric in daemon_metrics() for name in metric.series}
    for name, text in re.findall(r"^([a-z_]+)\{(.*)\} ", text_of(busy_metrics()), re.MULTILINE):
        assert set(re.findall(r'(\w+)="', text)) - {"le"} == labels[name], name


def test_no_metric_has_a_label_that_prometheus_adds_itself() -> None:
    for metric in (*daemon_metrics(), *sprite_metrics()):
        assert not {"job", "instance"} & set(metric.labels), metric.name


def _enumerations() -> Iterator[type[StrEnum]]:
    for module in pkgutil.walk_packages(opsd.__path__, "opsd."):
        if not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, StrEnum) and value.__module__ == module.name:
                    yield value


def test_every_set_of_reasons_is_explained() -> None:
    explained = {group.source for group in GROUPS}
    sets = {
        one for one in _enumerations() if one.__name__.endswith(("Reason", "Refusal", "Rejection", "Code", "Brake"))
    }
    assert sets
    assert sets <= explained


def test_a_code_without_a_meaning_stops_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    group = GROUPS[0]
    meanings = dict(list(group.meanings.items())[1:])
    monkeypatch.setattr(reasons, "GROUPS", (Codes(group.title, group.where, group.source, meanings),))
    with pytest.raises(reasons.MeaningError, match="divergence_detected"):
        reasons.document()


def test_generated_pages_say_that_they_are() -> None:
    pages = [path for path in generate() if path.parent.name == "reference"]
    assert len(pages) == 4
    assert all("`make docs`" in path.read_text() for path in pages)

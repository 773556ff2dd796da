"""``opsd alerts resolve`` beyond what the contract's vectors say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.alerts.catalogs import document, entry
from tests.cli.support import Shell


def test_an_installed_opsd_has_the_catalog_of_its_package(opsd: Shell) -> None:
    found = opsd("alerts", "resolve").json
    assert (found["sourceFile"], found["enabledSinkCount"]) == ("config/ops-manager-alert-sinks.v1.json", 0)


def test_the_last_repetition_of_a_flag_wins_and_an_empty_one_was_not_given(opsd: Shell) -> None:
    flags = ("--category", "a", "--category", "", "--severity", "", "--list-sinks")
    assert opsd("alerts", "resolve", *flags).out.startswith(b"webhook-default\twebhook\tfalse\n")


def test_no_value_of_a_secret_is_ever_printed(opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "https://hooks.example/s3cret")
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document({"w": entry()})))
    for flags in ((), ("--pretty",), ("--category", "x"), ("--list-sinks",)):
        found = opsd("alerts", "resolve", "--config-file", path, *flags)
        assert (found.exit, found.err) == (0, "")
        assert b"s3cret" not in found.out


def test_the_group_shows_its_commands(opsd: Shell) -> None:
    found = opsd("alerts", "--help")
    assert found.exit == 0
    assert b"alerts resolve" in found.out

"""``schema/*.json`` is what the types say, and what really is written satisfies it, by an independent validator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from opsd.cli.main import main
from opsd.contract.schema import SCHEMA_FOLDER, generate
from opsd.loop.thresholds import EMBEDDED_CATALOG
from tests.recordings import FINALS, STEPS, Recorded, install

ROOT = Path(__file__).resolve().parents[2]

#: Which schema describes which of the manager's files.
_FILES = {
    "state.json": "state",
    "health.json": "health",
    "cursor.json": "cursor",
    "heartbeat.json": "heartbeat",
    "sequence-state.json": "sequence-state",
    "transport-health.json": "transport-health",
    "profile-drift.json": "profile-drift",
    "escalations.jsonl": "escalation",
    "reconcile.jsonl": "reconcile-telemetry",
}


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((SCHEMA_FOLDER / f"ops-manager.{name}.schema.json").read_text()))


VALIDATORS = {name: validator(name) for name in {*_FILES.values(), "contract", "telemetry-summary"}}


def test_the_schemas_are_those_of_the_types() -> None:
    written = {path.name: json.loads(path.read_text()) for path in SCHEMA_FOLDER.glob("*.json")}
    assert written == generate()


def test_the_installed_catalog_is_the_one_in_the_package() -> None:
    path = ROOT / "config" / "ops-manager-threshold-profiles.v1.json"
    assert json.loads(path.read_text()) == EMBEDDED_CATALOG


#: Some steps caught the runtime in the middle of replacing a document; those have no state.
_READABLE = [one for one in (*FINALS, *STEPS) if one.expected_state is not None]


@pytest.mark.parametrize("recorded", _READABLE, ids=str)
def test_what_is_written_for_a_recorded_run_is_valid(
    recorded: Recorded, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    install(recorded, tmp_path)
    flags = ["--repo", str(tmp_path), "--loop", recorded.loop_id]
    skip = [part for number in recorded.invalid_lines for part in ("--skip-bad-line", str(number))]
    for command in (["snapshot", *flags], ["events", *flags, *skip]):
        assert main(command) == 0
        for line in capfdbinary.readouterr().out.splitlines():
            VALIDATORS["contract"].validate(json.loads(line))
    for arguments in (skip, [*skip, "--from-start"]):
        assert main(["reconcile", *flags, *arguments]) == 0

    capfdbinary.readouterr()
    assert main(["telemetry-summary", *flags]) == 0
    VALIDATORS["telemetry-summary"].validate(json.loads(capfdbinary.readouterr().out))
    folder = tmp_path / ".superloop" / "ops-manager" / recorded.loop_id
    seen = set()
    for path in folder.rglob("*.json*"):
        schema = _FILES.get(path.name)
        if schema is None:
            continue
        seen.add(path.name)
        for document in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
            VALIDATORS[schema].validate(json.loads(document))
    assert {
        "state.json",
        "health.json",
        "cursor.json",
        "profile-drift.json",
        "sequence-state.json",
        "reconcile.jsonl",
    } <= seen


@pytest.mark.parametrize("name", sorted(VALIDATORS))
def test_a_schema_refuses_what_is_something_else(name: str) -> None:
    for wrong in (None, [], {}, {"schemaVersion": "v2"}):
        assert not VALIDATORS[name].is_valid(wrong), wrong

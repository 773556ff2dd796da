"""The files that decide about alerts: parsed once, and again when they change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.compose_alerts import AlertOptions
from opsd.contract.errors import UsageError
from opsd.supervisor.alerts.config import ByStat, look, remembered
from tests.alerts.catalogs import document, entry


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    reads: list[str | None] = []

    def read(name: str | None) -> str:
        reads.append(name)
        return Path(name or "").read_text()

    remembering = ByStat(read, lambda name: name)
    assert [remembering(str(path)), remembering(str(path))] == ["one", "one"]
    new = tmp_path / "new"
    new.write_text("two")
    new.replace(path)
    assert remembering(str(path)) == "two"
    assert len(reads) == 2


def test_a_file_that_cannot_be_used_says_so_every_time_and_is_used_once_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "sinks.json"
    configuration = remembered({})
    for _ in range(2):
        with pytest.raises(UsageError, match=f"alert sink config file not found: {path}"):
            configuration.catalog(str(path))
    path.write_text(json.dumps(document({"desk": entry()})))
    assert list(configuration.catalog(str(path)).sinks) == ["desk"]


def test_a_look_tells_sinks_silences_and_what_is_wrong(tmp_path: Path) -> None:
    catalog, fleet = tmp_path / "sinks.json", tmp_path / ".superloop" / "ops-manager" / "fleet"
    catalog.write_text(json.dumps(document({"desk": entry()})))
    fleet.mkdir(parents=True)
    options = AlertOptions(config_file=str(catalog), delivery_file=str(tmp_path / "missing.json"))
    (fleet / "alert-silences.v1.json").write_text("{")
    seen = look(str(tmp_path), options, {}, remembered({}), lambda _now: [{"id": "desk"}], 1000.0)
    assert (seen.sink_ids, seen.sinks, seen.active_silences) == (frozenset({"desk"}), ({"id": "desk"},), 0)
    delivery, silences = seen.problems
    assert delivery == f"alert delivery config file not found: {tmp_path}/missing.json"
    assert "alert-silences.v1.json" in silences
    catalog.write_text("{")
    later = look(str(tmp_path), options, {}, remembered({}), lambda _now: [], 1000.0)
    assert later.sink_ids is None
    assert later.files != seen.files

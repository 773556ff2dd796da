"""The files that decide about alerts: parsed once, and again when they change."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsd.alerts.targets.sink_health import SinkHealth
from opsd.compose_alerts import AlertOptions
from opsd.contract.errors import UsageError
from opsd.storage.shared_document import SharedDocument
from opsd.supervisor.alerts.config import ByStat, look, remembered
from opsd.supervisor.alerts.schedule import Files, LoopAlerts
from opsd.supervisor.alerts.watch import AlertWatch
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


def test_files_that_the_system_does_not_let_us_read_are_told_like_files_that_are_wrong(tmp_path: Path) -> None:
    """Links to themselves: nobody can read them, whoever they are."""
    fleet = tmp_path / ".superloop" / "ops-manager" / "fleet"
    fleet.mkdir(parents=True)
    files = [tmp_path / "sinks.json", tmp_path / "delivery.json", fleet / "alert-silences.v1.json", tmp_path / "health"]
    for file in files:
        file.symlink_to(file.name)
    options = AlertOptions(config_file=str(files[0]), delivery_file=str(files[1]))
    configuration = remembered({})
    health = SinkHealth(SharedDocument(str(files[3]), durable=False))
    seen = look(str(tmp_path), options, {}, configuration, health.views, 1000.0)
    assert seen.problems == tuple(f"cannot read {file}: Too many levels of symbolic links" for file in files)
    assert seen.sink_ids is None
    files[0].unlink()
    files[0].write_text(json.dumps(document({"desk": entry()})))
    assert list(configuration.catalog(str(files[0])).sinks) == ["desk"]


async def test_a_loop_whose_alert_files_cannot_be_looked_at_keeps_no_other_from_the_sweep() -> None:
    woken: list[str] = []

    def files_of(loop: str) -> Files:
        if loop == "closed":
            raise PermissionError(13, "Permission denied")
        return ((1, 2, 3),) if loop == "left" else (None,)

    async def in_thread(work: Any) -> Any:
        return work()

    worker = SimpleNamespace(
        means=SimpleNamespace(files_of=files_of),
        loops={name: LoopAlerts() for name in ("closed", "left", "quiet")},
        wake=lambda loop, *, reason: woken.append(loop),
    )
    nothing = cast(Any, None)
    await AlertWatch(cast(Any, worker), nothing, cast(Any, in_thread), nothing, nothing).sweep(worker.loops)
    assert woken == ["closed", "left"]

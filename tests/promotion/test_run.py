"""One evaluation as a whole: what is recorded, in which order, and what is not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import ManagerFileError, UsageError
from opsd.promotion.run import GatesRequest, run_gates
from opsd.storage import row_files
from opsd.storage.fleet_store import FileFleetStore
from tests.promotion.factories import LIMITS, NOW, autonomous, fleet_folder, write_evidence


def evaluated(root: Path, trace_id: str = "t", status: Any = None) -> dict[str, Any]:
    found = {"autonomous": autonomous()} if status is None else status
    store = FileFleetStore(str(root))
    return run_gates(store, GatesRequest(str(root), LIMITS, None, trace_id), lambda: found, clock=lambda: NOW)


def rows(root: Path) -> list[dict[str, Any]]:
    text = (fleet_folder(root) / "telemetry" / "promotion.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def state(root: Path) -> Any:
    return json.loads((fleet_folder(root) / "promotion-state.json").read_text())


def test_the_decision_is_the_state_and_a_row(tmp_path: Path) -> None:
    write_evidence(tmp_path, now=NOW)
    first, second = evaluated(tmp_path, "a"), evaluated(tmp_path, "b", {})
    assert (first["summary"]["decision"], second["summary"]["decision"]) == ("promote", "hold")
    assert (rows(tmp_path), state(tmp_path)) == ([first, second], second)


def test_a_run_that_has_no_status_writes_nothing(tmp_path: Path) -> None:
    def read_status() -> Any:
        raise UsageError("no status")

    with pytest.raises(UsageError):
        run_gates(FileFleetStore(str(tmp_path)), GatesRequest(str(tmp_path), LIMITS), read_status, clock=lambda: NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_never_published_without_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated(tmp_path, "a")

    def full_disk(path: str, data: bytes, **_options: Any) -> None:
        raise ManagerFileError(f"cannot write {path}: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(row_files, "append_lines", full_disk)
        with pytest.raises(ManagerFileError, match=r"promotion\.jsonl: No space"):
            evaluated(tmp_path, "b")
    assert state(tmp_path)["traceId"] == "a"


def test_runs_at_the_same_time_leave_whole_rows_and_the_state_of_the_last_one(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: evaluated(tmp_path, name), names))
    assert sorted(one["traceId"] for one in rows(tmp_path)) == sorted(names)
    assert state(tmp_path) == rows(tmp_path)[-1]


def test_a_row_that_a_crash_tore_is_gone_and_spoils_no_other(tmp_path: Path) -> None:
    first = evaluated(tmp_path, "a")
    log = fleet_folder(tmp_path) / "telemetry" / "promotion.jsonl"
    log.write_text(log.read_text() + '{"torn":')
    assert rows_after(tmp_path, "b") == [first, state(tmp_path)]


def rows_after(root: Path, trace_id: str) -> list[dict[str, Any]]:
    evaluated(root, trace_id)
    return rows(root)


def test_a_trace_id_is_made_where_none_is_given(tmp_path: Path) -> None:
    assert len(evaluated(tmp_path, "")["traceId"]) == 36

"""A fleet's pass: one result per loop whatever happens, and the rollup over them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import LockTimeoutError, OpsError
from opsd.fleet.loop_answer import LoopAnswer
from opsd.fleet.loop_result import LoopJob
from opsd.fleet.reconcile import reconcile_fleet
from opsd.fleet.rollup import FleetOptions, telemetry_row


class Runner:
    """Answers by what the loop's id begins with."""

    def __init__(self, hang: Callable[[], object] = lambda: None) -> None:
        self.closed = False
        self._hang = hang

    def run(self, job: LoopJob) -> LoopAnswer:
        kind = job.loop_id.partition("-")[0]
        if kind == "crash":
            raise ZeroDivisionError
        if kind == "locked":
            raise LockTimeoutError("another process works on this loop")
        if kind == "hang":
            self._hang()
        if kind == "failed":
            return LoopAnswer(False, {"status": "degraded", "reasonCodes": ["projection_failed"]}, "{}")
        return LoopAnswer(True, {"health": {"status": kind, "reasonCodes": []}})

    def close(self) -> None:
        self.closed = True


def run(*items: str | dict[str, Any], runner: Runner | None = None, deadline_s: float = 60, **options: Any) -> Any:
    loops = [item if isinstance(item, dict) else {"loopId": item} for item in items]
    runner = runner or Runner()
    try:
        return reconcile_fleet(
            "/r", {"loops": loops, "fleetId": "f"}, FleetOptions("T", **options), runner, env={}, deadline_s=deadline_s
        )
    finally:
        assert runner.closed


def outcome(state: Any) -> tuple[str, list[str]]:
    return state["status"], state["reasonCodes"]


_OFF = {"loopId": "off", "enabled": False}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["healthy"], ("success", [])),
        ([_OFF], ("success", ["fleet_loop_skipped"])),
        (["degraded", "healthy"], ("success", ["fleet_health_degraded"])),
        (["degraded", "critical"], ("success", ["fleet_health_critical"])),
        (["failed", "critical"], ("partial_failure", ["fleet_health_critical", "fleet_partial_failure"])),
        (["failed", _OFF], ("failed", ["fleet_health_degraded", "fleet_loop_skipped", "fleet_reconcile_failed"])),
        (["crash", "healthy", _OFF], ("partial_failure", ["fleet_loop_skipped", "fleet_partial_failure"])),
    ],
)
def test_the_rollup(items: list[Any], expected: tuple[str, list[str]]) -> None:
    assert outcome(run(*items)) == expected


def test_trouble_has_a_result_that_says_what_it_was() -> None:
    results = run("crash", "locked", "healthy")["results"]
    assert [
        (one["status"], one.get("reasonCode"), one["healthStatus"], one.get("outputExcerpt")) for one in results
    ] == [
        ("failed", "reconcile_failed", "unknown", "error: internal error: ZeroDivisionError "),
        ("failed", "reconcile_failed", "unknown", "error: another process works on this loop "),
        ("success", None, "healthy", None),
    ]


def test_a_loop_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsd.fleet.reconcile._GRACE_S", 0.0)
    monkeypatch.setattr("opsd.fleet.reconcile._END_S", 0.0)
    release = threading.Event()
    first, second = run("hang", "healthy", runner=Runner(release.wait), deadline_s=0.05, max_parallel=1)["results"]
    release.set()
    assert (first["status"], first["reasonCode"]) == ("failed", "reconcile_failed")
    assert "did not end within 0.05 s" in first["outputExcerpt"]
    assert second["loopId"] == "healthy"


def test_a_registry_without_loops_has_no_results() -> None:
    with pytest.raises(OpsError, match="fleet reconcile produced no loop results"):
        run()


def test_the_order_is_the_registrys_or_that_of_code_points() -> None:
    ids = ["loop-10", "loop-2", "Z", "é"]
    assert [one["loopId"] for one in run(*ids)["results"]] == ids
    assert [one["loopId"] for one in run(*ids, deterministic_order=True)["results"]] == ["Z", "loop-10", "loop-2", "é"]


@given(
    st.lists(st.sampled_from(["healthy", "degraded", "failed", "crash", "locked"]), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_every_loop_has_exactly_one_result_and_is_counted_once(kinds: list[str], max_parallel: int) -> None:
    ids = [f"{kind}-{number}" for number, kind in enumerate(kinds)]
    state = run(*ids, max_parallel=max_parallel)
    assert [one["loopId"] for one in state["results"]] == ids
    assert state["loopCount"] == len(ids) == sum(state[f"{word}Count"] for word in ("success", "failed", "skipped"))
    assert state["failedCount"] == sum(kind in ("failed", "crash", "locked") for kind in kinds)


def test_the_telemetry_row_is_the_state_without_what_only_the_run_needs() -> None:
    state = run("healthy", max_events="007", from_start=True)
    assert state["execution"] == {"maxParallel": 2, "deterministicOrder": False, "fromStart": True, "maxEvents": 7}
    row = telemetry_row(state)
    assert list(row) == [
        *("timestamp", "category", "fleetId", "traceId", "status", "reasonCodes", "loopCount", "successCount"),
        *("failedCount", "skippedCount", "durationSeconds", "results"),
    ]
    assert (row["timestamp"], row["category"], row["results"]) == (
        state["updatedAt"],
        "fleet_reconcile",
        state["results"],
    )

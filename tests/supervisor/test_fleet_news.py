"""A daemon that runs for weeks over a fleet in trouble logs what changes, not what is."""

from __future__ import annotations

from typing import Any

import structlog

from opsd.supervisor.fleet.cycle import CycleRun, Step
from opsd.supervisor.fleet.news import FleetNews


def _candidate(name: str, *reasons: str, suppressed: bool = False) -> dict[str, Any]:
    return {
        "candidateId": name,
        "suppressed": suppressed,
        "autonomous": {"eligible": not reasons and not suppressed, "reasons": list(reasons)},
    }


def _run(*candidates: dict[str, Any], warnings: tuple[dict[str, Any], ...] = ()) -> CycleRun:
    counts = {"candidateCount": 0, "unsuppressedCount": 0, "autoEligibleCount": 0, "reasonCodes": []}
    run = CycleRun()
    run.policy = {**counts, "candidates": list(candidates), "warnings": list(warnings)}
    return run


def _told(news: FleetNews, run: CycleRun, event: str) -> list[Any]:
    with structlog.testing.capture_logs() as rows:
        news.tell(run)
    return [row.get("candidate") or row.get("code") or row.get("message") for row in rows if row["event"] == event]


def test_a_candidate_is_told_when_it_appears_changes_or_comes_back() -> None:
    news = FleetNews()
    runs = [
        _run(_candidate("a", "kill"), _candidate("b", "kill")),
        _run(_candidate("a", "kill"), _candidate("b", "mode")),
        _run(_candidate("a", suppressed=True), _candidate("b", "mode")),
        _run(_candidate("a", "kill")),
        _run(_candidate("a", "kill"), _candidate("b", "mode")),
    ]
    told = [_told(news, run, "policy.candidate") for run in runs]
    assert told == [["a", "b"], ["b"], [], [], ["b"]]


def test_whatever_may_be_acted_on_is_told_every_time() -> None:
    news = FleetNews()
    assert [_told(news, _run(_candidate("a")), "policy.candidate") for _ in range(2)] == [["a"], ["a"]]


def test_a_warning_is_told_once_while_it_stands() -> None:
    news, warning = FleetNews(), {"code": "fleet_state_too_old", "message": "it is old"}
    runs = [_run(warnings=(warning,)), _run(warnings=(warning,)), _run(), _run(warnings=(warning,))]
    assert [len(_told(news, run, "policy.warning")) for run in runs] == [1, 0, 0, 1]


def test_a_failure_is_told_once_until_a_run_succeeds() -> None:
    news, failed = FleetNews(), CycleRun()
    failed.failure = (Step.LOCK, "another process works on this fleet")
    assert [_told(news, run, "fleet_run.failed") for run in (failed, failed, CycleRun(), failed)] == [
        ["another process works on this fleet"],
        [],
        [],
        ["another process works on this fleet"],
    ]

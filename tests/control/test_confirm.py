"""What counts as the effect of an intent, and for how long it is looked for (contract 30, section 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opsd.control.confirm import Observed, confirm, evidence, observe
from opsd.control.verdict import Intent


@pytest.mark.parametrize(
    ("seen", "cancel", "approve", "reject"),
    [
        (Observed(status="running", active=True), False, False, False),
        (Observed(status="idle"), True, False, False),
        (Observed(status="awaiting_approval", approval_status="pending"), True, False, False),
        (Observed(status="idle", last_event="approval_decision", approval_status="approved"), True, False, False),
        (Observed(status="complete", last_event="loop_complete", completion_ok=True), True, True, False),
        (Observed(status="stopped", approval_status="rejected"), True, False, True),
        (Observed(status="stopped", last_event="approval_rejected"), True, False, True),
    ],
)
def test_evidence(seen: Observed, cancel: bool, approve: bool, reject: bool) -> None:
    found = [evidence(intent, seen) is not None for intent in (Intent.CANCEL, Intent.APPROVE, Intent.REJECT)]
    assert found == [cancel, approve, reject]


def test_a_completion_that_stood_before_the_command_proves_nothing() -> None:
    before = Observed(status="complete", completion_ok=True, run_id="r1", summary={"iteration": 1}, events=5)
    assert evidence(Intent.APPROVE, before, before) is None
    decided = replace(before, last_event="approval_decision", approval_status="approved", events=6)
    assert evidence(Intent.APPROVE, decided, before) is None
    for news in (
        replace(before, summary={"iteration": 2}),
        replace(before, run_id="r2"),
        replace(decided, last_event="loop_complete", events=9),
    ):
        assert evidence(Intent.APPROVE, news, before) == "completion_observed"


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def run(snapshots: list[Any], timeout_s: int, interval_s: int) -> tuple[dict[str, Any], list[float]]:
    clock, left = Clock(), list(snapshots)
    payload = confirm(
        Intent.CANCEL,
        lambda: left.pop(0) if len(left) > 1 else left[0],
        timeout_s=timeout_s,
        interval_s=interval_s,
        monotonic=lambda: clock.now,
        sleep=clock.sleep,
        clock=lambda: 0.0,
    )
    return payload, clock.sleeps


def test_it_looks_until_it_sees() -> None:
    running = {"run": {"status": "running"}, "runtime": {"superloopState": {"active": True}}}
    payload, sleeps = run([running, None, {}], 30, 2)
    assert (payload["confirmed"], payload["reason"], payload["attempts"]) == (True, "inactive_not_running", 3)
    assert sleeps == [2, 2]


def test_out_of_time_it_tells_what_it_saw_last() -> None:
    running = {"run": {"status": "running"}, "runtime": {"superloopState": {"active": "true"}}, "health": {}}
    payload, sleeps = run([running], 3, 0)
    assert sleeps == [1, 1, 1]
    assert payload == {
        "intent": "cancel",
        "confirmed": False,
        "reason": "timeout",
        "attempts": 4,
        "timeoutSeconds": 3,
        "observedStatus": "running",
        "observedLastEvent": None,
        "observedApprovalStatus": None,
        "observedActive": True,
        "observedAt": "1970-01-01T00:00:00Z",
    }
    assert run([None], 0, 2)[0]["attempts"] == 1


def test_an_empty_snapshot_is_an_observation() -> None:
    assert observe({}) == Observed()

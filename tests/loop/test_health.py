"""Health as a function: every rule at its edges, and what holds for any input (contract 20, section 5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.timestamps import format_utc
from opsd.loop.health import HealthInputs, failure_reason, judge
from tests.loop.factories import NOW, NOW_EPOCH, thresholds


def inputs(**changes: Any) -> HealthInputs:
    return HealthInputs(now=NOW, thresholds=thresholds(), **changes)


def ago(seconds: float) -> str:
    return format_utc(NOW_EPOCH - seconds)


def verdict(**changes: Any) -> tuple[str, list[tuple[str, str, str, str]]]:
    found = judge(inputs(**changes))
    reasons = [(one["code"], one["severity"], one["observed"], one["threshold"]) for one in found["reasons"]]
    return found["status"], reasons


def last_event(seconds: float, **more: Any) -> dict[str, Any]:
    return {"projection": {"lastEventAt": ago(seconds)}, **more}


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, ("healthy", [])),
        (299, ("healthy", [])),
        (300, ("degraded", [("ingest_stale", "degraded", "300", "300")])),
        (899, ("degraded", [("ingest_stale", "degraded", "899", "300")])),
        (900, ("critical", [("ingest_stale", "critical", "900", "900")])),
        (-600, ("healthy", [])),
    ],
)
def test_the_age_of_the_last_event(age_s: int, expected: tuple[str, list[tuple[str, str, str, str]]]) -> None:
    assert verdict(state=last_event(age_s)) == expected


def test_without_any_knowledge_a_loop_is_healthy_and_its_lags_unknown() -> None:
    found = judge(inputs())
    assert (found["status"], found["reasonCodes"], found["reasons"]) == ("healthy", [], [])
    assert found["metrics"] == {
        "ingestLagSeconds": None,
        "heartbeatLagSeconds": None,
        "transportFailureStreak": 0,
        "lastControlStatus": None,
        "sequenceStatus": None,
        "lifecycleState": "unknown",
        "heartbeatAgeSeconds": None,
    }


def test_a_finished_loop_is_spared_only_where_that_is_wanted() -> None:
    old = last_event(5000, transition={"currentState": "complete"})
    assert verdict(state=old)[0] == "critical"
    assert verdict(state=old, spare_finished=True) == ("healthy", [])
    running = last_event(5000, transition={"currentState": "running"})
    assert verdict(state=running, spare_finished=True)[0] == "critical"


def test_that_finished_loops_are_spared_is_part_of_the_evidence() -> None:
    assert "finishedSpared" not in judge(inputs())["evidence"]
    assert judge(inputs(spare_finished=True))["evidence"]["finishedSpared"] is True


def test_the_lag_of_a_heartbeat_is_the_stored_one_unless_it_shall_age() -> None:
    heartbeat = {"lastHeartbeatAt": ago(400), "heartbeatLagSeconds": 5}
    assert verdict(heartbeat=heartbeat) == ("healthy", [])
    assert judge(inputs(heartbeat=heartbeat))["metrics"]["heartbeatAgeSeconds"] == 400
    expected = [("runtime_heartbeat_stale", "critical", "400", "300")]
    assert verdict(heartbeat=heartbeat, reage_heartbeat=True) == ("critical", expected)
    assert verdict(heartbeat={"lastHeartbeatAt": ago(120)})[0] == "degraded"


@pytest.mark.parametrize(("streak", "status"), [(0, "healthy"), (1, "healthy"), (2, "degraded"), (4, "critical")])
def test_a_streak_of_failures(streak: int, status: str) -> None:
    assert verdict(transport_health={"failureStreak": streak})[0] == status


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("snapshot_unavailable", "transport_unreachable"),
        ("events_unavailable", "transport_unreachable"),
        ("service_request_failed", "transport_unreachable"),
        ("service_response_invalid", "invalid_transport_payload"),
        ("projection_failed", "projection_failed"),
        ("anything_else", "anything_else"),
        ("", "reconcile_failed"),
        (None, "reconcile_failed"),
    ],
)
def test_a_failed_pass_names_its_reason(code: str | None, reason: str) -> None:
    assert failure_reason(code) == reason
    status, reasons = verdict(ingest_failed=True, failure_code=code)
    assert (status, reasons) == ("degraded", [(reason, "degraded", "failed", "success")])


def test_reasons_are_sorted_and_told_once() -> None:
    found = judge(
        inputs(
            ingest_failed=True,
            failure_code="service_request_failed",
            transport_health={"failureStreak": 9},
            sequence={"driftActive": True, "status": "ordering_drift_detected"},
            last_intent={"status": "ambiguous"},
            state={"divergence": {"any": True}},
        )
    )
    assert found["status"] == "critical"
    assert [f"{one['code']}:{one['severity']}" for one in found["reasons"]] == [
        "control_ambiguous:degraded",
        "divergence_detected:degraded",
        "ordering_drift_detected:degraded",
        "transport_unreachable:critical",
        "transport_unreachable:degraded",
    ]
    assert found["reasonCodes"] == [
        "control_ambiguous",
        "divergence_detected",
        "ordering_drift_detected",
        "transport_unreachable",
    ]


_VALUE = st.none() | st.booleans() | st.integers(-5, 2000) | st.sampled_from(["", "x", "12", NOW, "ambiguous"])
_DOCUMENT = st.dictionaries(
    st.sampled_from(
        ["projection", "transition", "divergence", "failureStreak", "heartbeatLagSeconds", "status", "driftActive"]
    ),
    _VALUE
    | st.dictionaries(st.sampled_from(["lastEventAt", "currentState", "any"]), _VALUE | st.lists(_VALUE), max_size=3),
    max_size=4,
)


@given(_DOCUMENT, _DOCUMENT, _DOCUMENT, _DOCUMENT, st.booleans())
def test_any_documents_are_judged_and_the_status_is_that_of_the_worst_reason(
    state: dict[str, Any], heartbeat: dict[str, Any], sequence: dict[str, Any], intent: dict[str, Any], failed: bool
) -> None:
    given_inputs = inputs(
        state=state,
        heartbeat=heartbeat,
        sequence=sequence,
        transport_health=heartbeat,
        last_intent=intent,
        ingest_failed=failed,
    )
    found = judge(given_inputs)
    severities = {one["severity"] for one in found["reasons"]}
    assert found["status"] == ("critical" if "critical" in severities else "degraded" if severities else "healthy")
    assert found["reasonCodes"] == sorted({one["code"] for one in found["reasons"]})
    assert judge(given_inputs) == found

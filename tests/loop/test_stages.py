"""The smaller stages of a pass: sequence, heartbeat, transport streak, projection, escalations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ProjectionError
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.loop import heartbeat, projection, sequence, transport_health
from opsd.transport.base import IngestFailure
from tests.loop.factories import NOW, event, snapshot

COMMON: dict[str, Any] = {"loop_id": "demo", "trace_id": "t", "transport": TransportKind.LOCAL, "now": NOW}


def diagnose(previous: dict[str, Any], current: Any, events: list[Any], *, from_start: bool = False) -> dict[str, Any]:
    return sequence.diagnose(previous, {"sequence": {"value": current}}, events, from_start=from_start, **COMMON)


class TestSequence:
    def test_in_order_nothing_is_told(self) -> None:
        first = diagnose({}, 3, [1, 2, 3])
        second = diagnose(first, 5, [4, 5])
        assert (second["status"], second["violations"]) == ("ok", [])
        assert second["events"]["previousLast"] == 3

    @pytest.mark.parametrize(
        ("current", "events", "violations"),
        [
            (None, [4], ["snapshot_sequence_missing"]),
            (2, [4], ["snapshot_sequence_regression"]),
            (3, [4, None], ["event_sequence_missing"]),
            (9, [6, 5], ["event_sequence_non_monotonic"]),
            (9, [2], ["event_sequence_regression"]),
        ],
    )
    def test_each_violation_has_its_name(self, current: Any, events: list[Any], violations: list[str]) -> None:
        before = diagnose({}, 3, [3])
        found = diagnose(before, current, events)
        assert found["violations"] == violations
        assert found["transition"]["transitionedToDrift"] is True
        again = diagnose(found, current, events)
        assert again["transition"]["transitionedToDrift"] is False

    def test_a_drift_ends(self) -> None:
        drifting = diagnose(diagnose({}, 3, [3]), 9, [2])
        recovered = diagnose(drifting, 10, [10])
        assert recovered["transition"] == {
            "previousDriftActive": True,
            "transitionedToDrift": False,
            "recoveredFromDrift": True,
        }

    def test_an_idle_pass_does_not_forget_the_highest(self) -> None:
        idle = diagnose(diagnose({}, 7, [6, 7]), 7, [])
        assert (idle["events"].get("last"), idle["events"]["highest"]) == (None, 7)

    @given(st.lists(st.integers(0, 50), max_size=8).map(sorted), st.lists(st.integers(0, 50), max_size=8).map(sorted))
    def test_what_only_grows_never_drifts(self, first: list[int], second: list[int]) -> None:
        bound = max(first, default=0)
        later = [bound + value for value in second]
        before = diagnose({}, bound, list(first))
        assert diagnose(before, max(later, default=bound), list(later))["violations"] == []


class TestHeartbeat:
    def observe(self, value: Any) -> heartbeat.HeartbeatObservation:
        return heartbeat.observe(value, degraded_s=120, critical_s=300, **COMMON)

    @pytest.mark.parametrize("value", [None, False])
    def test_its_absence_is_normal(self, value: Any) -> None:
        assert self.observe(value) == (None, None)

    @pytest.mark.parametrize(
        ("at", "freshness", "reason"),
        [
            (NOW, "fresh", None),
            ("2026-11-24T11:58:00Z", "degraded", "runtime_heartbeat_stale"),
            ("2026-11-24T11:55:00Z", "critical", "runtime_heartbeat_stale"),
            ("2026-11-24T13:00:00Z", "fresh", None),
        ],
    )
    def test_its_age_is_judged(self, at: str, freshness: str, reason: str | None) -> None:
        found = self.observe({"timestamp": at, "pid": 1})
        assert found.document is not None
        assert found.row is not None
        assert (found.document["freshnessStatus"], found.document.get("reasonCode")) == (freshness, reason)
        assert (found.row["status"], found.row.get("reasonCode")) == (freshness, reason)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [({}, "missing_heartbeat_timestamp"), ({"timestamp": "soon"}, "invalid_heartbeat_timestamp")],
    )
    def test_one_that_says_no_time_leaves_the_last_good_one(self, value: Any, reason: str) -> None:
        found = self.observe(value)
        assert found.document is None
        assert found.row is not None
        assert (found.row["status"], found.row["reasonCode"]) == ("failed", reason)


class TestTransportStreak:
    def advance(self, previous: dict[str, Any], failure: IngestFailure | None) -> dict[str, Any]:
        return transport_health.advance(previous, failure, transport=TransportKind.LOCAL, trace_id="t", now=NOW)

    def test_it_counts_and_falls_back(self) -> None:
        failure = IngestFailure(FailureCode.EVENTS_UNAVAILABLE, "gone")
        one = self.advance({}, failure)
        two = self.advance(one, failure)
        well = self.advance(two, None)
        assert [document["failureStreak"] for document in (one, two, well)] == [1, 2, 0]
        assert (two["lastFailureCode"], "lastFailureCode" in well) == ("events_unavailable", False)
        assert well["failureCounts"] == {"events_unavailable": 2}
        assert (well["lastFailureAt"], well["lastSuccessAt"]) == (NOW, NOW)

    def test_every_pass_has_an_identity_that_depends_on_the_one_before(self) -> None:
        first = self.advance({}, None)
        assert self.advance({}, None)["passId"] == first["passId"]
        assert self.advance(first, None)["passId"] != first["passId"]

    @given(
        st.dictionaries(
            st.sampled_from(["failureStreak", "failureCounts", "passId"]), st.none() | st.text() | st.integers()
        )
    )
    def test_any_document_before_it_is_good_enough(self, previous: dict[str, Any]) -> None:
        assert self.advance(previous, None)["failureStreak"] == 0


class TestProjection:
    def project(self, found: dict[str, Any], last: Any = None, previous: Any = None) -> dict[str, Any]:
        return projection.project(
            found, last, previous or {}, repo="/m", loop_id="demo", now=NOW, snapshot_file="s", events_file="e"
        )

    def test_confidence_follows_the_evidence(self) -> None:
        assert self.project(snapshot())["transition"]["confidence"] == "medium"
        with_event = self.project(snapshot(), event(2))
        assert with_event["transition"]["confidence"] == "high"
        assert with_event["transition"]["triggeringSignal"] == "event:role_end"

    def test_an_event_of_a_run_that_is_not_active_diverges(self) -> None:
        inactive = snapshot() | {"runtime": {"superloopState": {"active": False}}}
        found = self.project(inactive, event(2))
        assert found["divergence"] == {
            "any": True,
            "flags": {"activeMismatch": True, "approvalCompletionConflict": False, "cursorRegression": False},
        }
        assert found["transition"]["confidence"] == "low"

    def test_a_cursor_that_goes_back_diverges(self) -> None:
        found = self.project(snapshot(), None, {"cursor": {"eventLineOffset": 9}})
        assert found["divergence"]["flags"]["cursorRegression"] is True

    def test_the_state_before_is_remembered(self) -> None:
        first = self.project(snapshot())
        second = self.project(snapshot(status="complete"), None, first)
        assert [one["transition"]["previousState"] for one in (first, second)] == ["none", "running"]

    def test_what_is_no_boolean_is_refused(self) -> None:
        with pytest.raises(ProjectionError, match="completion_ok is not a boolean"):
            self.project(snapshot(summary={"completion_ok": "maybe"}))

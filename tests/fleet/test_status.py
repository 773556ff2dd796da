"""Fleet status: what the vectors do not show."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.documents import Document
from opsd.fleet.status.document import fleet_status
from opsd.fleet.status.inputs import FleetStatusInputs

NOW = "2026-11-26T08:00:00Z"
AUTHORITY = {"actor": "lin", "approvalRef": "C-1", "rationale": "night", "changedAt": "2026-11-01T00:00:00Z"}


def _status(
    fleet: JsonObject | None = None, policy: JsonObject | None = None, handoff: JsonObject | None = None, **rows: Any
) -> JsonObject:
    return fleet_status(
        FleetStatusInputs(
            repo="/r",
            registry_fleet_id="yard",
            fleet=Document(fleet or {}, "invalid fleet state JSON: f"),
            policy=None if policy is None else Document(policy, "invalid policy state JSON: p"),
            handoff=None if handoff is None else Document(handoff, "invalid handoff state JSON: h"),
            reconcile_row=rows.get("reconcile_row"),
            handoff_row=rows.get("handoff_row"),
            files={},
            now=NOW,
        )
    )


def test_a_review_deadline_that_cannot_be_read_counts_as_missing_and_is_shown() -> None:
    block = {**AUTHORITY, "reviewBy": "next year"}
    found = _status(policy={"mode": "guarded_auto", "autonomous": {"governance": block}})["autonomous"]["governance"]
    assert found["posture"] == "review_deadline_missing"
    assert found["reasonCodes"] == ["autonomous_governance_review_deadline_missing"]
    assert (found["until"], found["authorityContextPresent"], found["blocksAutonomous"]) == ("next year", True, True)


@pytest.mark.parametrize(
    ("review_by", "posture"),
    [
        ("2026-11-26T08:00:00Z", "review_expired"),
        ("2026-11-26T08:00:01Z", "review_due_soon"),
        ("2026-12-03T08:00:00Z", "review_due_soon"),
        ("2026-12-03T08:00:01Z", "active"),
    ],
)
def test_a_review_is_due_soon_for_seven_days(review_by: str, posture: str) -> None:
    block = {**AUTHORITY, "reviewBy": review_by}
    found = _status(policy={"mode": "guarded_auto", "autonomous": {"governance": block}})
    assert found["autonomous"]["governance"]["posture"] == posture


def test_the_contracts_cross_check_of_suppression_paths() -> None:
    counts = {
        "category_not_allowlisted": 1,
        "autonomous_max_actions_per_run_exceeded": 1,
        "autonomous_rollout_canary_excluded": 1,
        "autonomous_rollout_paused_auto": 1,
        "autonomous_autopause_failure_spike": 1,
    }
    decisions = _status(
        policy={"mode": "guarded_auto", "unsuppressedCount": 3, "summary": {"byAutonomyReason": counts}},
        handoff={
            "intents": [{"intentId": "i", "transport": "sprite_service"}],
            "execution": {"results": [{"intentId": "i", "status": "failed", "reasonCode": "control_failed_command"}]},
        },
    )["autonomous"]["safetyGateDecisions"]
    blocked = {path: found["blockedCount"] for path, found in decisions["byPath"].items()}
    assert blocked == {"policyGated": 2, "rolloutGated": 3, "governanceGated": 3, "transportGated": 1}
    assert (decisions["blockedCount"], len(decisions["suppressionReasonCodes"])) == (4, 4)


@pytest.mark.parametrize(
    ("documents", "name"),
    [
        ({"fleet": {"results": [1]}}, "fleet"),
        ({"fleet": {"failedCount": "many"}}, "fleet"),
        ({"fleet": {"results": [{"loopId": 7, "status": "failed"}]}}, "fleet"),
        ({"fleet": {"results": [{"files": []}]}}, "fleet"),
        ({"policy": {"autonomous": {"governance": "lin"}}}, "policy"),
        ({"policy": {"summary": {"byAutonomyReason": {"x": "1"}}}}, "policy"),
        ({"policy": {"autonomous": {"rollout": {"pause": []}}}}, "policy"),
        ({"handoff": {"execution": {"results": {}}}}, "handoff"),
        ({"handoff": {"intents": [{"autonomous": {"reasons": [1]}}]}}, "handoff"),
    ],
)
def test_a_wrong_inner_shape_is_an_error_that_names_the_document(documents: dict[str, Any], name: str) -> None:
    with pytest.raises(ManagerFileError, match=f"^invalid {name} state JSON: {name[0]}$"):
        _status(**documents)


@pytest.mark.parametrize("nothing", [None, False])
def test_containers_that_are_null_or_false_are_empty(nothing: object) -> None:
    keys = ("results", "reasonCodes", "candidates", "summary", "autonomous", "intents", "execution")
    empty = dict.fromkeys(keys, nothing)
    assert _status(empty, empty, empty) == _status({}, {}, {})


def test_a_telemetry_row_of_a_wrong_inner_shape_is_as_if_it_were_empty() -> None:
    found = _status(handoff_row={"timestamp": NOW, "execution": 7, "summary": "x"})["latestHandoffTelemetry"]
    assert (found["timestamp"], found["execution"], found["summary"], found["reasonCodes"]) == (NOW, {}, {}, [])


def test_a_rows_own_backlog_goes_before_the_current_one() -> None:
    row = {"summary": {"summary": {"pendingManualOnlyCount": 0}}}
    found = _status(policy={"manualOnlyCount": 4}, handoff_row=row)["latestHandoffTelemetry"]
    assert found["autonomousOutcomeRollup"]["manual_backlog"] == 0


def test_how_old_each_document_is_can_be_seen() -> None:
    found = _status({"updatedAt": "2026-11-26T07:59:00Z"}, {"updatedAt": "2027-01-01T00:00:00Z"}, {})["freshness"]
    assert found == {"fleetStateAgeSeconds": 60, "policyStateAgeSeconds": 0, "handoffStateAgeSeconds": None}

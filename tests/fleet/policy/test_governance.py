"""Governance rows, the additive log of noise changes, and what an operator is warned of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opsd.contract import jsoncodec
from opsd.fleet.policy.autopause import Execution
from opsd.fleet.policy.evaluate import PolicyOutcome, evaluate_policy
from opsd.fleet.policy.inputs import PolicyInputs, PolicySettings, Provenance, Seen
from tests.fleet.policy.factories import GOVERNANCE, NOW, inputs, result, state_of


def rows(found: PolicyInputs) -> list[Any]:
    return [jsoncodec.loads(jsoncodec.dumps(row)) for row in evaluate_policy(found).governance_rows]


def after(before: PolicyInputs, *results: dict[str, Any], **changes: Any) -> PolicyInputs:
    """The inputs of the run after ``before``."""
    return inputs(*results, prior=state_of(before), **changes)


def codes(found: PolicyInputs) -> list[str]:
    return [one["code"] for one in state_of(found)["warnings"]]


class TestAudit:
    def test_the_first_run_initializes_in_advisory_mode_too(self) -> None:
        (row,) = rows(inputs(mode="advisory"))
        assert (row["eventType"], row["mode"]) == ("autonomous_policy_initialized", "advisory")
        assert not [name for name in row if name.startswith("previous")]
        assert list(row) == [
            "timestamp",
            "category",
            "eventType",
            "fleetId",
            "traceId",
            "mode",
            "governance",
            "controls",
            "source",
        ]

    def test_a_repeat_says_nothing(self) -> None:
        assert rows(after(inputs())) == []

    def test_a_new_approval_is_a_mutation(self) -> None:
        (row,) = rows(after(inputs(), governance={**GOVERNANCE, "approvalRef": "CHG-91"}))
        assert row["eventType"] == "autonomous_policy_mutated"
        assert (row["governance"]["approvalRef"], row["previousGovernance"]["approvalRef"]) == ("CHG-91", "CHG-88")

    def test_a_toggled_mode_wins_over_all_else_that_changed(self) -> None:
        (row,) = rows(after(inputs(), mode="advisory", safety={"killSwitch": True}))
        assert (row["eventType"], row["previousMode"]) == ("autonomous_mode_toggled", "guarded_auto")

    def test_a_state_written_by_hand_counts_as_one_without_controls(self) -> None:
        (row,) = rows(inputs(mode="advisory", prior={}))
        assert (row["eventType"], row["previousControls"], row["previousGovernance"]) == (
            "autonomous_policy_mutated",
            {},
            {},
        )

    def test_a_transition_that_a_crash_left_in_the_audit_is_not_told_twice(self) -> None:
        changed = after(inputs(), safety={"killSwitch": True})
        (row,) = rows(changed)
        assert rows(replace(changed, last_audit_row=row)) == []

    def test_the_same_change_made_a_second_time_is_told_again(self) -> None:
        one, two = inputs(), inputs(safety={"killSwitch": True})
        (there,) = rows(replace(two, prior=state_of(one)))
        (back,) = rows(replace(one, prior=state_of(two), last_audit_row=there))
        (again,) = rows(replace(two, prior=state_of(one), last_audit_row=back))
        assert again["controls"] == there["controls"]

    def test_without_a_state_it_is_initialized_whatever_the_audit_holds(self) -> None:
        (row,) = rows(inputs())
        assert len(rows(inputs(last_audit_row=row))) == 1

    def test_the_row_tells_who_owns_the_registry_file(self) -> None:
        found = replace(inputs(), provenance=Provenance("0" * 64, "root", "2026-11-24T00:00:00Z"))
        (row,) = rows(found)
        assert row["source"]["registryFileOwner"] == "root"
        assert row["source"]["registryFileModifiedAt"] == "2026-11-24T00:00:00Z"

    @pytest.mark.parametrize(
        ("mode", "governance", "present"),
        [
            ("advisory", {}, True),
            ("guarded_auto", GOVERNANCE, True),
            ("guarded_auto", {**GOVERNANCE, "actor": None}, False),
        ],
    )
    def test_authority_is_present_or_not(self, mode: str, governance: dict[str, Any], present: bool) -> None:
        found = state_of(inputs(mode=mode, governance=governance))["autonomous"]["governance"]
        assert (found["requiredForGuardedAuto"], found["authorityContextPresent"]) == (True, present)
        assert ("actor" in found) == (governance.get("actor") is not None)


class TestNoiseChanges:
    def changes(self, found: PolicyInputs) -> PolicyOutcome:
        return evaluate_policy(found)

    def test_suppressions_and_window_have_a_log_of_their_own(self) -> None:
        found = evaluate_policy(after(inputs(), suppressions={"*": ["health_critical"]}, window_s=5))
        (row,) = found.change_rows
        assert row["changed"] == ["suppressions", "dedupeWindowSeconds"]
        assert row["previous"] == {"suppressions": {}, "dedupeWindowSeconds": 300}
        assert row["current"] == {"suppressions": {"*": ["health_critical"]}, "dedupeWindowSeconds": 5}
        assert found.governance_rows == []

    def test_the_first_run_and_a_repeat_change_nothing(self) -> None:
        assert evaluate_policy(inputs()).change_rows == []
        assert evaluate_policy(after(inputs())).change_rows == []


SPIKE = (Execution("2026-11-24T11:00:00Z", 4, 0, 0, 4),)
EMPTY = (Execution("2026-11-24T11:01:00Z", 0, 0, 0, 0),)


class TestWarnings:
    def test_an_orderly_run_warns_of_nothing(self) -> None:
        assert codes(inputs(result("a"))) == []

    @pytest.mark.parametrize(
        ("executions", "warned"),
        [
            (EMPTY, ["autopause_ended_without_evidence"]),
            ((Execution("2026-11-24T11:01:00Z", 3, 3, 0, 0),), []),
            (SPIKE, []),
        ],
    )
    @pytest.mark.parametrize("results", [[], [result("a")]])
    def test_a_pause_that_ends_without_evidence(
        self, results: list[dict[str, Any]], executions: tuple[Execution, ...], warned: list[str]
    ) -> None:
        paused = inputs(*results, executions=SPIKE)
        assert codes(after(paused, *results, executions=executions)) == warned

    def test_candidates_of_loops_that_nobody_registered(self) -> None:
        (found,) = state_of(inputs(result("gone"), result("a")))["warnings"]
        assert (found["code"], found["loopIds"]) == ("candidates_of_unregistered_loops", ["gone"])

    def test_history_from_the_future_is_counted_from_now(self) -> None:
        found = state_of(inputs(result("a"), history={"a:reconcile_failed": Seen(NOW + 5000)}))
        assert found["warnings"][0]["code"] == "history_in_the_future"
        assert found["candidates"][0]["cooldown"] == {
            "enabled": True,
            "windowSeconds": 300,
            "active": True,
            "remainingSeconds": 300,
            "lastUnsuppressedAt": "2026-11-24T13:23:20Z",
        }

    def test_controls_that_change_without_a_new_approval(self) -> None:
        found = state_of(after(inputs(), safety={"maxActionsPerRun": 50}))
        (warning,) = found["warnings"]
        assert (warning["code"], warning["changed"]) == ("controls_changed_without_new_approval", ["safety"])
        approved = after(inputs(), safety={"maxActionsPerRun": 50}, governance={**GOVERNANCE, "approvalRef": "CHG-99"})
        assert codes(approved) == []

    def test_a_fleet_state_of_another_fleet(self) -> None:
        assert codes(inputs(fleet_id="other")) == ["fleet_id_differs_from_registry"]

    def test_a_fleet_state_that_is_too_old(self) -> None:
        assert codes(inputs(settings=PolicySettings(300, max_fleet_state_age_s=1))) == ["fleet_state_too_old"]

    def test_they_travel_in_the_telemetry_row_too(self) -> None:
        found = evaluate_policy(inputs(fleet_id="other"))
        assert found.telemetry_row["warnings"] == found.state["warnings"] != []


def test_without_candidates_the_real_pause_is_still_told() -> None:
    rollout = state_of(inputs(executions=SPIKE, rollout={"pause": {"manual": True}}))["autonomous"]["rollout"]
    assert (rollout["pause"]["active"], rollout["pause"]["manual"]) == (False, True)
    assert rollout["pauseObserved"]["active"] is True
    assert rollout["pauseObserved"]["auto"]["metrics"]["failedCount"] == 4

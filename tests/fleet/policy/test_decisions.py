"""Gates and rails: each reason at its edge, and the invariants of autonomy over arbitrary fleets.

The invariants, whatever the fleet, the registry and the history:

* one evaluation declares at most ``maxActionsPerRun`` candidates eligible, at most ``maxActionsPerLoop`` of one loop;
* nothing is eligible in advisory mode, under the kill switch, while paused, suppressed, outside the cohort, or while
  its own cooldown runs;
* a gated candidate consumes no cap; every candidate that is not eligible tells why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.fleet.policy import gates
from opsd.fleet.policy.autopause import Execution
from opsd.fleet.policy.evaluate import evaluate_policy
from opsd.fleet.policy.inputs import PolicySettings, Seen
from tests.fleet.policy.factories import GOVERNANCE, NOW, inputs, report, result, state_of, verdicts

A = "a:reconcile_failed"
SPIKE = (Execution("2026-11-24T11:00:00Z", 4, 0, 0, 4),)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"mode": "advisory"}, ["policy_mode_not_guarded_auto"]),
        ({"suppressions": {"*": ["reconcile_failed"]}}, ["candidate_suppressed"]),
        ({"history": {A: Seen(unsuppressed_at=NOW - 1)}}, ["candidate_suppressed"]),
        ({"allow": {"categories": ["health_critical"]}}, ["category_not_allowlisted"]),
        ({"allow": {"intents": []}}, ["intent_not_allowlisted"]),
        ({"rollout": {"scope": {"loopIds": ["b"]}, "canaryPercent": 0}}, ["autonomous_rollout_scope_excluded"]),
        ({"rollout": {"canaryPercent": 36}}, ["autonomous_rollout_canary_excluded"]),
        ({"rollout": {"canaryPercent": 37}}, []),
        ({"rollout": {"pause": {"manual": True}}}, ["autonomous_rollout_paused_manual"]),
        ({"executions": SPIKE}, ["autonomous_autopause_failure_spike", "autonomous_rollout_paused_auto"]),
        ({"safety": {"killSwitch": True}}, ["autonomous_kill_switch_enabled"]),
        ({"history": {A: Seen(eligible_at=NOW - 299)}}, ["autonomous_cooldown_active"]),
        ({"history": {A: Seen(eligible_at=NOW - 300)}}, []),
        ({"safety": {"maxActionsPerRun": 0}}, ["autonomous_max_actions_per_run_exceeded"]),
        ({"safety": {"maxActionsPerLoop": 0}}, ["autonomous_max_actions_per_loop_exceeded"]),
        (
            {"safety": {"killSwitch": True, "maxActionsPerRun": 0}, "history": {A: Seen(eligible_at=NOW)}},
            ["autonomous_kill_switch_enabled"],
        ),
        (
            {"mode": "advisory", "safety": {"killSwitch": True}},
            ["policy_mode_not_guarded_auto"],
        ),
        ({"settings": PolicySettings(300, max_fleet_state_age_s=60)}, ["fleet_state_too_old"]),
    ],
)
def test_every_reason_at_its_edge(changes: dict[str, Any], reasons: list[str]) -> None:
    assert verdicts(inputs(result("a"), **changes)) == {A: reasons}


def test_a_degraded_loop_fails_three_gates_under_the_default_controls() -> None:
    assert verdicts(inputs(result("a", "success", "degraded"))) == {
        "a:health_degraded": ["category_not_allowlisted", "confidence_below_threshold", "severity_below_threshold"]
    }


def test_an_unknown_minimum_is_met_by_everybody() -> None:
    loose = {"minSeverity": "anything", "minConfidence": "anything"}
    allow = {"categories": ["health_degraded"]}
    assert verdicts(inputs(result("a", "success", "degraded"), thresholds=loose, allow=allow)) == {
        "a:health_degraded": []
    }


def test_the_run_cap_is_named_before_the_loop_cap() -> None:
    everybody = [result(name, "failed", "critical") for name in ("a", "b", "c")]
    found = verdicts(inputs(*everybody, safety={"maxActionsPerRun": 2}))
    assert found == {
        "a:health_critical": [],
        "a:reconcile_failed": ["autonomous_max_actions_per_loop_exceeded"],
        "b:health_critical": [],
        "b:reconcile_failed": ["autonomous_max_actions_per_run_exceeded"],
        "c:health_critical": ["autonomous_max_actions_per_run_exceeded"],
        "c:reconcile_failed": ["autonomous_max_actions_per_run_exceeded"],
    }


@pytest.mark.parametrize(
    ("updated", "reasons"),
    [
        ("2026-11-24T11:59:00Z", []),
        ("2026-11-24T11:58:59Z", ["fleet_state_too_old"]),
        ("2026-11-24T12:30:00Z", []),
        ("yesterday", ["fleet_state_too_old"]),
    ],
)
def test_a_maximum_age_of_the_fleet_state_holds_autonomy_back(updated: str, reasons: list[str]) -> None:
    asked = inputs(result("a"), settings=PolicySettings(300, max_fleet_state_age_s=60))
    assert verdicts(replace(asked, fleet=report(result("a"), updatedAt=updated))) == {A: reasons}


@pytest.mark.parametrize(
    ("review_by", "mode", "reasons"),
    [
        ("2026-11-24T12:00:01Z", "guarded_auto", []),
        ("2026-11-24T12:00:00Z", "guarded_auto", ["autonomous_governance_review_expired"]),
        ("soon", "guarded_auto", ["autonomous_governance_review_expired"]),
        (None, "guarded_auto", ["autonomous_governance_review_expired"]),
        ("2026-11-24T12:00:00Z", "advisory", ["policy_mode_not_guarded_auto"]),
    ],
)
def test_a_passed_review_deadline_holds_autonomy_back_where_it_is_asked_for(
    review_by: str | None, mode: str, reasons: list[str]
) -> None:
    governance = {**GOVERNANCE, "reviewBy": review_by}
    asked = PolicySettings(300, require_review=True)
    assert verdicts(inputs(result("a"), mode=mode, governance=governance, settings=asked)) == {A: reasons}
    if mode == "guarded_auto":
        assert verdicts(inputs(result("a"), mode=mode, governance=governance)) == {A: []}


def test_every_gate_has_a_name_of_its_own_and_the_contracts_keys_in_order() -> None:
    assert len({gate.name for gate in gates.GATES}) == len(gates.GATES)
    assert [gate.key for gate in gates.GATES if gate.key] == [
        "modeGuardedAuto",
        "suppressed",
        "categoryAllowed",
        "intentAllowed",
        "severityMeetsThreshold",
        "confidenceMeetsThreshold",
        "rolloutScopeAllowed",
        "rolloutCanarySelected",
    ]


LOOPS = ("a", "b", "c", "d", "é")
CATEGORIES = ("reconcile_failed", "health_critical", "health_degraded")
NAMES = [f"{loop}:{category}" for loop in LOOPS for category in CATEGORIES]
moments = st.none() | st.integers(NOW - 1000, NOW + 1000)
executions = st.lists(st.builds(Execution, st.just(""), *(st.integers(0, 4) for _ in range(4))), max_size=5).map(tuple)


@st.composite
def situations(draw: st.DrawFn) -> Any:
    results = draw(
        st.lists(
            st.builds(
                result,
                st.sampled_from(LOOPS),
                st.sampled_from(["failed", "success", "skipped"]),
                st.sampled_from(["critical", "degraded", "healthy", "unknown"]),
            ),
            max_size=8,
        )
    )
    return inputs(
        *results,
        mode=draw(st.sampled_from(["guarded_auto", "guarded_auto", "guarded_auto", "advisory"])),
        window_s=draw(st.sampled_from([0, 1, 300])),
        history=draw(st.dictionaries(st.sampled_from(NAMES), st.builds(Seen, moments, moments))),
        executions=draw(executions),
        suppressions=draw(
            st.dictionaries(
                st.sampled_from([*LOOPS, "*"]), st.lists(st.sampled_from(CATEGORIES), max_size=2), max_size=2
            )
        ),
        allow={"categories": draw(st.lists(st.sampled_from(CATEGORIES)))},
        thresholds={"minSeverity": draw(st.sampled_from(["critical", "info"])), "minConfidence": "low"},
        safety={
            "maxActionsPerRun": draw(st.integers(0, 5)),
            "maxActionsPerLoop": draw(st.integers(0, 3)),
            "cooldownSeconds": draw(st.sampled_from([0, 300])),
            "killSwitch": draw(st.sampled_from([False, False, False, True])),
        },
        rollout={
            "canaryPercent": draw(st.sampled_from([0, 40, 100])),
            "scope": {"loopIds": draw(st.lists(st.sampled_from(LOOPS), unique=True))},
            "pause": {"manual": draw(st.sampled_from([False, False, True]))},
        },
    )


@given(situations())
def test_the_caps_hold(found: Any) -> None:
    eligible = [one for one in state_of(found)["candidates"] if one["autonomous"]["eligible"]]
    per_loop = Counter(one["loopId"] for one in eligible)
    assert len(eligible) <= found.controls.max_actions_per_run
    assert all(count <= found.controls.max_actions_per_loop for count in per_loop.values())


@given(situations())
def test_nothing_that_is_held_back_is_eligible(found: Any) -> None:
    state = state_of(found)
    for one in state["candidates"]:
        autonomous = one["autonomous"]
        held = (
            found.controls.mode == "advisory"
            or found.controls.kill_switch
            or autonomous["rollout"]["pause"]["active"]
            or one["suppressed"]
            or not autonomous["rollout"]["selector"]["inCohort"]
            or autonomous["safety"]["cooldown"]["active"]
            or one["category"] not in found.controls.allowed_categories
        )
        assert not (held and autonomous["eligible"])
        assert autonomous["eligible"] == (autonomous["reasons"] == []) == (not autonomous["manualOnly"])
        assert autonomous["reasons"] == sorted(set(autonomous["reasons"]))
        assert set(autonomous["gatingReasons"]) <= set(autonomous["reasons"])
        assert len(set(autonomous["reasons"]) - set(autonomous["gatingReasons"])) <= 1


@given(situations())
def test_the_counts_agree_with_the_candidates(found: Any) -> None:
    state = state_of(found)
    candidates = state["candidates"]
    shown = [one for one in candidates if not one["suppressed"]]
    assert state["candidateCount"] == len(candidates) == state["unsuppressedCount"] + state["suppressedCount"]
    assert state["unsuppressedCount"] == len(shown) == state["autoEligibleCount"] + state["manualOnlyCount"]
    assert state["summary"]["byAutonomyReason"] == dict(
        Counter(reason for one in shown for reason in one["autonomous"]["reasons"])
    )
    assert "candidate_suppressed" not in state["summary"]["byAutonomyReason"]
    codes = state["reasonCodes"]
    assert codes == sorted(set(codes))
    assert ("fleet_action_required" in codes) == bool(shown) != ("no_action_required" in codes)
    assert list(state)[-1] == "reasonCodes"


@given(situations())
def test_what_one_run_shows_the_next_run_in_the_window_suppresses(found: Any) -> None:
    shown = [row["candidateId"] for row in evaluate_policy(found).history_rows if not row["suppressed"]]
    again = replace(found, history={name: Seen(found.now) for name in shown}, settings=PolicySettings(300))
    suppressed = {one["candidateId"]: one["suppressed"] for one in state_of(again)["candidates"]}
    assert all(suppressed[name] for name in shown)


@given(situations(), st.integers(0, 100))
def test_a_raised_canary_takes_no_loop_out_of_the_cohort(found: Any, more: int) -> None:
    raised = replace(found.controls, canary_percent=min(100, found.controls.canary_percent + more))

    def cohort(asked: Any) -> set[str]:
        return {
            one["loopId"]
            for one in state_of(asked)["candidates"]
            if one["autonomous"]["rollout"]["selector"]["inCohort"]
        }

    assert cohort(found) <= cohort(replace(found, controls=raised))

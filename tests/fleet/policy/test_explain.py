"""A decision explained from what was recorded, and derived again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import OpsError
from opsd.fleet.policy.autopause import Execution
from opsd.fleet.policy.explain import explain
from opsd.fleet.policy.inputs import Seen
from opsd.fleet.policy.report import parse_report
from tests.fleet.policy.factories import NOW, inputs, result, state_of
from tests.fleet.policy.test_decisions import situations


def state(**changes: Any) -> Any:
    return state_of(inputs(result("a"), result("b", "failed", "critical"), **changes))


@given(situations())
def test_every_recorded_decision_can_be_derived_again(found: Any) -> None:
    recorded = state_of(found)
    for candidate in recorded["candidates"]:
        explained = explain(recorded, candidate["candidateId"])
        derivation, (one,) = explained["derivation"], explained["candidates"]
        assert (derivation["matches"], derivation["differing"]) == (True, [])
        assert (derivation["inputsAsRecorded"], derivation["candidatesAsRecorded"]) == (True, True)
        assert one["matches"] is True
        reasons = {reason for judged in [*one["gates"], *one["rails"]] for reason in judged["reasons"]}
        assert sorted(reasons) == candidate["autonomous"]["reasons"]


def test_each_gate_tells_what_it_compared() -> None:
    explained = explain(state(rollout={"canaryPercent": 36}), "a:reconcile_failed")
    (one,) = explained["candidates"]
    canary = next(gate for gate in one["gates"] if gate["gate"] == "canary")
    assert canary == {
        "gate": "canary",
        "passed": False,
        "reasons": ["autonomous_rollout_canary_excluded"],
        "inputs": {"bucket": 36, "canaryPercent": 36, "salt": "fleet-autonomous-rollout-v1"},
    }
    assert (one["decision"], one["derivedDecision"], one["rails"]) == ("manual", "manual", [])


def test_rails_are_told_up_to_the_one_that_holds() -> None:
    (one,) = explain(state(), "b:health_critical")["candidates"]
    assert [(rail["rail"], rail["passed"]) for rail in one["rails"]] == [
        ("autonomous_kill_switch_enabled", True),
        ("autonomous_cooldown_active", True),
        ("autonomous_max_actions_per_run_exceeded", False),
    ]
    assert one["rails"][-1]["inputs"] == {"eligibleBefore": 1, "maximum": 1}


def test_a_loop_stands_for_all_of_its_candidates() -> None:
    explained = explain(state(), "b")
    assert [one["candidateId"] for one in explained["candidates"]] == ["b:health_critical", "b:reconcile_failed"]


def test_history_and_executions_are_part_of_the_record() -> None:
    history = {"a:reconcile_failed": Seen(None, NOW - 10), "z:reconcile_failed": Seen(1, 1)}
    found = state(history=history, executions=(Execution("x", 1, 1, 0, 0),))
    recorded = found["evaluation"]["inputs"]
    assert recorded["history"] == {"a:reconcile_failed": [None, NOW - 10]}
    assert recorded["executions"] == [["x", 1, 1, 0, 0, True]]
    assert explain(found, "a")["derivation"]["matches"] is True


def test_a_loop_id_that_is_no_text_is_derived_as_it_was_written() -> None:
    fleet = parse_report(b'{"results":[{"loopId":"\\ud800x","status":"failed"}]}', "s.json")
    found = state_of(replace(inputs(), fleet=fleet))
    assert explain(found, "\ufffdx")["derivation"]["matches"] is True


def test_an_edited_decision_is_noticed() -> None:
    found = state(rollout={"pause": {"manual": True}})
    found["candidates"][0]["autonomous"] |= {"eligible": True, "manualOnly": False, "reasons": []}
    explained = explain(found, "a")
    assert explained["derivation"]["matches"] is False
    assert explained["derivation"]["differing"] == ["candidates"]
    assert explained["derivation"]["candidatesAsRecorded"] is False
    (one,) = explained["candidates"]
    assert (one["decision"], one["derivedDecision"], one["matches"]) == ("eligible", "manual", False)


def test_edited_inputs_are_noticed() -> None:
    found = state()
    found["evaluation"]["inputs"]["executions"] = [["x", 9, 0, 0, 9, True]]
    derivation = explain(found, "a")["derivation"]
    assert (derivation["matches"], derivation["inputsAsRecorded"]) == (False, False)


def test_a_state_without_recorded_inputs_is_explained_as_far_as_it_goes() -> None:
    found = state()
    del found["evaluation"]
    explained = explain(found, "a")
    assert explained["derivation"] == {
        "possible": False,
        "matches": None,
        "reason": "the state was published without its inputs",
    }
    (one,) = explained["candidates"]
    assert (one["decision"], one["reasons"], "gates" in one) == ("eligible", [], False)


@given(st.sampled_from(["now", "fleet", "registry", "settings", "places", "history", "executions"]), st.data())
def test_damaged_inputs_are_said_to_be_damaged(name: str, data: st.DataObject) -> None:
    found = state()
    recorded = found["evaluation"]["inputs"]
    damage = st.sampled_from([None, "x", 7, [], [7], {"policy": 7}])
    recorded[name] = data.draw(damage.filter(lambda value: value != recorded[name]))
    derivation = explain(found, "a")["derivation"]
    assert derivation["possible"] is False or derivation["inputsAsRecorded"] is False


@pytest.mark.parametrize("name", ["c", "a:health_critical", ""])
def test_an_unknown_candidate_is_refused(name: str) -> None:
    with pytest.raises(OpsError, match=f"no such candidate in the policy state: {name}"):
        explain(state(), name)

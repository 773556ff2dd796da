"""A run of the handoff: what is on disk before what, and what stops it."""

from __future__ import annotations

import pytest

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import DispatchRequest
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from tests.fleet.handoff_support import AUTONOMOUS, MANUAL, Crash, Fleet, candidate, policy, registry


def _three() -> Fleet:
    return Fleet(policy(candidate("a"), candidate("b"), candidate("c")), registry("a", "b", "c"))


def test_an_attempt_is_on_disk_before_control_is_called_and_its_outcome_behind_it() -> None:
    fleet = _three()
    done: list[str] = []
    fleet.store.tick = done.append
    fleet.run(AUTONOMOUS)
    one = ["append HANDOFF_ATTEMPTS", "control", "append HANDOFF_ATTEMPTS"]
    assert done == ["append HANDOFF", *one, *one, *one, "append HANDOFF", "replace HANDOFF"]


def test_the_kill_switch_stops_the_next_dispatch_of_a_run_that_is_under_way() -> None:
    fleet = _three()

    def kill(_request: DispatchRequest) -> None:
        fleet.registry = registry("a", "b", "c", kill=True)

    fleet.on_call = kill
    state = fleet.run(AUTONOMOUS)
    assert fleet.called == ["a"]
    reasons = ["autonomous_kill_switch_enabled"]
    assert state["execution"]["requestedIntentCount"] == 1
    assert [one["loopId"] for one in state["execution"]["withheld"]] == ["b", "c"]
    assert [intent["status"] for intent in state["intents"]] == ["executed", *["pending_operator_confirmation"] * 2]
    assert state["intents"][2]["autonomous"] == {"eligible": False, "manualOnly": True, "reasons": reasons}
    # What did not start is no attempt: when the switch is off again, it may go on.
    fleet.on_call = lambda _request: None
    fleet.registry = registry("a", "b", "c")
    fleet.policy = policy(candidate("b"), candidate("c"), updatedAt="2026-11-26T09:00:00Z")
    fleet.run(AUTONOMOUS)
    assert fleet.called == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("brakes", "reasons"),
    [
        ({"kill": True}, ["autonomous_kill_switch_enabled"]),
        ({"pause": True}, ["autonomous_rollout_paused_manual"]),
        ({"kill": True, "pause": True}, ["autonomous_kill_switch_enabled", "autonomous_rollout_paused_manual"]),
    ],
)
def test_brakes_that_are_on_leave_an_autonomous_run_without_targets(
    brakes: dict[str, bool], reasons: list[str]
) -> None:
    fleet = _three()
    fleet.registry = registry("a", "b", "c", **brakes)
    state = fleet.run(AUTONOMOUS)
    assert (fleet.called, state["execution"]["requestedIntentCount"]) == ([], 0)
    assert all(intent["autonomous"]["reasons"] == reasons for intent in state["intents"])
    assert state["summary"]["manualOnlyIntentCount"] == 3


def test_a_person_may_execute_under_the_kill_switch() -> None:
    fleet = _three()
    fleet.registry = registry("a", "b", "c", kill=True)
    assert fleet.run(MANUAL, loops=["b"])["execution"]["executedCount"] == 1
    assert fleet.called == ["b"]


def test_a_registry_that_can_no_longer_be_read_stops_autonomy() -> None:
    fleet = _three()

    def break_it(_request: DispatchRequest) -> None:
        fleet.registry_broken = True

    fleet.on_call = break_it
    state = fleet.run(AUTONOMOUS)
    assert fleet.called == ["a"]
    assert state["execution"]["withheld"][0]["reasons"] == ["autonomous_registry_unreadable"]


def test_a_loop_that_somebody_else_controls_is_left_alone_and_the_others_are_not() -> None:
    fleet = _three()
    fleet.busy = frozenset({"b"})
    state = fleet.run(AUTONOMOUS)
    assert fleet.called == ["a", "c"]
    assert [one["reasons"] for one in state["execution"]["withheld"]] == [["autonomous_loop_in_flight"]]


def test_a_caller_that_halts_ends_autonomous_dispatch_and_no_persons() -> None:
    fleet = _three()
    fleet.halted = ["autonomous_manager_stopping"]
    state = fleet.run(AUTONOMOUS)
    assert fleet.called == []
    assert [one["reasons"] for one in state["execution"]["withheld"]] == [["autonomous_manager_stopping"]] * 3
    fleet.run(MANUAL)
    assert fleet.called == ["a", "b", "c"]


@pytest.mark.parametrize("loop_id", ["../..", "fleet", "gone", "a\x00b", ""])
def test_control_is_never_called_for_a_loop_that_is_unsafe_or_not_registered(loop_id: str) -> None:
    known = registry("a") if loop_id == "gone" else registry("a", loop_id)
    fleet = Fleet(policy(candidate(loop_id)), known)
    state = fleet.run(MANUAL)
    result = state["execution"]["results"][0]
    assert (result["status"], result["reasonCode"], result["controlExitCode"]) == (
        "failed",
        "control_failed_command",
        1,
    )
    assert fleet.called == []
    assert state["intents"][0]["status"] == "execution_failed"


def test_a_service_loop_without_an_address_fails_without_control() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"))
    fleet.registry["loops"][0]["transport"] = "sprite_service"
    result = fleet.run(MANUAL)["execution"]["results"][0]
    assert (result["reasonCode"], fleet.called) == ("missing_service_base_url", [])


def test_a_filter_that_matches_nothing_is_told_before_anything_is_written() -> None:
    fleet = _three()
    with pytest.raises(UsageError, match=r"^loop filter not found in manual execution intents: x,y$"):
        fleet.run(MANUAL, loops=["x", "a", "y"], intent_ids=["nothing"])
    assert set(fleet.store.parts) == {FleetDocument.POLICY}


def test_every_target_gets_one_result_and_twins_share_the_last_one() -> None:
    fleet = Fleet(policy(candidate("a"), candidate("a")), registry("a"))
    exits = iter([2, 0])
    fleet.on_call = lambda request: fleet.__setattr__("answers", {"a": next(exits)})
    state = fleet.run(MANUAL)
    assert [result["status"] for result in state["execution"]["results"]] == ["ambiguous", "executed"]
    assert [intent["status"] for intent in state["intents"]] == ["executed", "executed"]
    assert (state["execution"]["ambiguousCount"], state["summary"]["ambiguousCount"]) == (1, 0)


def test_a_twin_of_what_went_wrong_is_not_dispatched_autonomously() -> None:
    fleet = Fleet(policy(candidate("a"), candidate("a"), candidate("b")), registry("a", "b"), {"a": 2})
    state = fleet.run(AUTONOMOUS)
    assert fleet.called == ["a", "b"]
    assert [one["reasons"] for one in state["execution"]["withheld"]] == [["autonomous_retry_guard_ambiguous"]]
    assert [intent["status"] for intent in state["intents"]] == ["execution_ambiguous"] * 2 + ["executed"]


def test_the_record_of_attempts_tells_who_wanted_what_and_how_it_ended() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"), {"a": 2})
    state = fleet.run(AUTONOMOUS)
    attempt, outcome = fleet.store.rows(FleetLog.HANDOFF_ATTEMPTS)
    assert attempt["attemptId"] == outcome["attemptId"]
    assert (attempt["intentId"], attempt["mode"], attempt["requestedBy"]) == (
        "a:health_critical:cancel",
        "autonomous",
        "mira",
    )
    assert (outcome["status"], outcome["controlExitCode"]) == ("ambiguous", 2)
    assert "control" not in outcome
    size = len(fleet.store.parts[FleetLog.HANDOFF_ATTEMPTS])
    assert state["attemptLog"] == {"settledBytes": size}
    assert list(state)[-1] == "execution"


def test_what_was_executed_by_a_run_that_died_is_not_executed_again_under_the_same_policy() -> None:
    fleet = _three()

    def die_at_the_end(what: str) -> None:
        if what == "replace HANDOFF":
            raise Crash

    fleet.store.tick = die_at_the_end
    with pytest.raises(Crash):
        fleet.run(AUTONOMOUS)
    fleet.store.tick = lambda _what: None
    assert fleet.called == ["a", "b", "c"]
    assert _eligible(fleet.run(AUTONOMOUS)) == []
    assert fleet.called == ["a", "b", "c"]


def test_a_new_evaluation_of_the_policy_may_ask_again_for_what_a_dead_run_had_executed() -> None:
    fleet = _three()

    def die_at_the_end(what: str) -> None:
        if what == "replace HANDOFF":
            raise Crash

    fleet.store.tick = die_at_the_end
    with pytest.raises(Crash):
        fleet.run(AUTONOMOUS)
    fleet.store.tick = lambda _what: None
    fleet.policy = policy(candidate("b"), updatedAt="2026-11-26T09:00:00Z")
    assert _eligible(fleet.run()) == ["b"]


def test_a_guard_outlives_the_candidate_it_is_about() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"), {"a": 1})
    fleet.run(AUTONOMOUS)
    fleet.policy = policy(candidate("a", suppressed=True))
    assert fleet.run()["retryGuards"] == {"a:health_critical:cancel": "autonomous_retry_guard_failed"}
    assert fleet.run()["retryGuards"] == {"a:health_critical:cancel": "autonomous_retry_guard_failed"}
    fleet.policy = policy(candidate("a"))
    state = fleet.run()
    assert state["intents"][0]["autonomous"]["reasons"] == ["autonomous_retry_guard_failed"]
    assert "retryGuards" not in state


def test_a_lost_handoff_state_loses_no_guard() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"), {"a": 2})
    fleet.run(AUTONOMOUS)
    del fleet.store.parts[FleetDocument.HANDOFF]
    assert _eligible(fleet.run()) == []


def test_a_torn_row_of_the_record_is_an_unknown_outcome() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"))

    def die_behind_control(what: str) -> None:
        if what == "append HANDOFF_ATTEMPTS" and fleet.calls:
            fleet.store.parts[FleetLog.HANDOFF_ATTEMPTS] += b'{"category":"fleet_handoff_att'
            raise Crash

    fleet.store.tick = die_behind_control
    with pytest.raises(Crash):
        fleet.run(AUTONOMOUS)
    fleet.store.tick = lambda _what: None
    fleet.policy = policy(candidate("a"), updatedAt="2026-11-26T09:00:00Z")
    assert fleet.run()["intents"][0]["autonomous"]["reasons"] == ["autonomous_retry_guard_ambiguous"]


def _eligible(state: JsonObject) -> list[str]:
    return [intent["loopId"] for intent in state["intents"] if intent["autonomous"]["eligible"] is True]

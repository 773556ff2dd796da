"""From candidates to a plan: keys, order, guards, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError, UsageError
from opsd.fleet.handoff.keys import idempotency_key, slug, without_collisions
from opsd.storage.fleet_parts import FleetDocument
from tests.fleet.handoff_support import Fleet, candidate, policy, registry


@pytest.mark.parametrize(
    ("prefix", "trace", "loop", "category", "key"),
    [
        ("fleet-handoff", "PT 1", "a", "health_critical", "fleet-handoff-pt-1-a-health_critical-cancel"),
        ("***", "--T 1--", "A x/É", "health_degraded", "t-1-a-x-health_degraded-cancel"),
        ("p", "t", "l", None, "p-t-l-unknown-cancel"),
    ],
)
def test_a_key_is_slugged_part_by_part(prefix: str, trace: str, loop: str, category: Any, key: str) -> None:
    assert idempotency_key(prefix, trace, loop, category, "cancel") == key


@given(st.text())
def test_a_slug_holds_nothing_but_its_own_letters(text: str) -> None:
    found = slug(text)
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert "--" not in found
    assert slug(found) == found


@given(
    st.lists(st.tuples(st.sampled_from(["a", "A", "a b", "a-b", "ä"]), st.sampled_from(["k", "K", "k-1"])), max_size=8)
)
def test_no_two_loops_share_a_key(pairs: list[tuple[str, str]]) -> None:
    intents = [{"loopId": loop, "idempotencyKey": slug(f"{loop}-{key}")} for loop, key in pairs]
    found = without_collisions(intents)
    owners: dict[str, set[str]] = {}
    for intent in found:
        owners.setdefault(intent["idempotencyKey"], set()).add(intent["loopId"])
    assert all(len(loops) == 1 for loops in owners.values())
    assert found[:1] == intents[:1]
    assert without_collisions(intents) == found


def test_intents_stand_in_the_order_of_their_loops_and_are_told_apart_by_a_stable_hash() -> None:
    fleet = Fleet(policy(candidate("b"), candidate("B")), registry("b", "B"))
    first, second = fleet.run()["intents"]
    assert first["idempotencyKey"] == "fleet-handoff-p-1-b-health_critical-cancel"
    assert (first["loopId"], second["loopId"]) == ("B", "b")
    assert second["idempotencyKey"].removeprefix(first["idempotencyKey"]) == "-3e23e816"


@pytest.mark.parametrize(
    "broken",
    [
        policy("a"),
        policy({"category": "health_critical"}),
        policy(candidate("a", recommendedIntent=["cancel"])),
        policy(candidate("a", autonomous="yes")),
        policy(candidate("a", autonomous={"reasons": "none"})),
        {"candidates": {"a": 1}},
    ],
)
def test_a_policy_of_a_wrong_shape_is_refused_and_nothing_is_recorded(broken: Any) -> None:
    fleet = Fleet(broken, registry("a"))
    with pytest.raises(ManagerFileError, match=r"^invalid policy state JSON: /fleet/policy-state\.json$"):
        fleet.run()
    assert set(fleet.store.parts) == {FleetDocument.POLICY}


@pytest.mark.parametrize("broken", [b"[]", b"", b"{} {}", b'{"intents":[7]}', b'{"retryGuards":[]}'])
def test_a_handoff_state_that_may_hide_guards_is_refused(broken: bytes) -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"))
    fleet.store.parts[FleetDocument.HANDOFF] = broken
    with pytest.raises(ManagerFileError, match=r"^invalid existing handoff state JSON: "):
        fleet.run()


def test_a_suppressed_candidate_needs_no_shape() -> None:
    fleet = Fleet(policy({"suppressed": True}, candidate("a")), registry("a"))
    assert fleet.run()["summary"]["candidateCount"] == 2


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(UsageError, match=r"^unsupported policy mode: 5$"):
        Fleet(policy(mode=5), registry("a")).run()


def test_a_plan_tells_of_brakes_and_keeps_what_the_policy_decided() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a", kill=True))
    state = fleet.run()
    assert (state["killSwitchActive"], state["pauseActive"]) == (True, False)
    assert state["intents"][0]["autonomous"] == {"eligible": True, "manualOnly": False, "reasons": []}

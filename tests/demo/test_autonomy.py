"""What the demo says of the loops in trouble, from the documents of the fleet's steps; its registry can be used."""

from __future__ import annotations

from typing import Any

from opsd.demo.autonomy import CANARY_PERCENT, CANCELLED, SUPPRESSED, TROUBLES, WAITS, policy_block, told
from opsd.fleet.policy.cohort import bucket_of
from opsd.fleet.registry import parse_registry

NOW = 1_780_000_000.0


def _candidate(loop_id: str, *reasons: str, suppressed: bool = False, eligible: bool = False) -> dict[str, Any]:
    return {
        "loopId": loop_id,
        "suppressed": suppressed,
        "autonomous": {"eligible": eligible, "reasons": list(reasons)},
    }


def test_each_loop_is_told_of_in_a_few_words() -> None:
    candidates = [
        _candidate("a", eligible=True),
        _candidate("b", "autonomous_rollout_canary_excluded"),
        _candidate("c", suppressed=True),
        _candidate("d", "something_else"),
    ]
    attempts = [
        {"attemptId": "1", "loopId": "e"},
        {"attemptId": "1", "mode": "autonomous", "status": "executed"},
        {"attemptId": "2", "loopId": "b"},
        {"attemptId": "2", "mode": "manual", "status": "executed"},
    ]
    assert told({"candidates": candidates}, attempts) == {
        "a": "about to be cancelled",
        "b": f"{WAITS}: outside the canary",
        "c": SUPPRESSED,
        "d": WAITS,
        "e": CANCELLED,
    }
    assert told(None, []) == {}


def test_the_canary_parts_the_failing_loops_as_the_demo_says() -> None:
    registry = parse_registry(
        {"schemaVersion": "v1", "loops": [{"loopId": one.loop_id} for one in TROUBLES], "policy": policy_block(NOW)},
        source="demo",
        now=NOW,
    )
    rollout = registry.document["policy"]["autonomous"]["rollout"]
    inside, outside = TROUBLES[:2]
    salt = rollout["selector"]["salt"]
    assert bucket_of(inside.loop_id, salt) < CANARY_PERCENT <= bucket_of(outside.loop_id, salt)
    assert not registry.expired(NOW)

"""The registry's policy block: what is refused, with which words and in which order, and what comes out."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.contract.errors import RegistryError
from opsd.fleet.registry import parse_registry, violations
from opsd.fleet.registry_governance import governance_warnings
from tests.fleet.factories import FUTURE, NOW, PAST, governance, guarded, registry


def found(policy: Any) -> list[str]:
    """The bullets of a policy, without what they have in common."""
    document = registry({"loopId": "a"}, {"loopId": "b"}, policy=policy)
    return [
        bullet.replace("policy.autonomous.", "~").replace(" when present", "")
        for bullet in violations(document, now=NOW)
    ]


def autonomous(**blocks: Any) -> dict[str, Any]:
    return {"autonomous": blocks}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, []),
        ({}, []),
        (5, ["policy must be an object"]),
        (False, ["policy must be an object"]),
        ({"mode": False, "suppressions": False, "noiseControls": {"dedupeWindowSeconds": False}}, []),
        ({"mode": "auto"}, ["policy.mode must be advisory or guarded_auto"]),
        ({"mode": ["advisory"]}, ["policy.mode must be advisory or guarded_auto"]),
        ({"noiseControls": False}, ["policy.noiseControls must be an object"]),
        (
            {"noiseControls": {"dedupeWindowSeconds": 1.5}},
            ["policy.noiseControls.dedupeWindowSeconds must be an integer >= 0"],
        ),
        (
            autonomous(allow={"categories": "x", "intents": [5, "x"]}),
            ["~allow.categories must be an array", "~allow.intents entries must be strings"],
        ),
        (
            autonomous(allow={"categories": ["x"], "intents": ["approve"]}),
            ["~allow.categories contains unsupported categories", "~allow.intents contains unsupported intents"],
        ),
        (autonomous(allow={"categories": [], "intents": False}), []),
        (
            autonomous(thresholds={"minSeverity": 5, "minConfidence": "certain"}),
            ["~thresholds.minSeverity must be a string", "~thresholds.minConfidence must be one of high, medium, low"],
        ),
        (
            autonomous(
                safety={"maxActionsPerRun": -1, "maxActionsPerLoop": "1", "cooldownSeconds": True, "killSwitch": 0}
            ),
            [
                "~safety.maxActionsPerRun must be an integer >= 0",
                "~safety.maxActionsPerLoop must be an integer >= 0",
                "~safety.cooldownSeconds must be an integer >= 0",
                "~safety.killSwitch must be boolean",
            ],
        ),
        (autonomous(safety={"maxActionsPerRun": 0, "cooldownSeconds": 1e9}), []),
        (autonomous(rollout={"scope": {"loopIds": ["a", 5, ""]}}), ["~rollout.scope.loopIds entries must be strings"]),
        (
            autonomous(rollout={"scope": {"loopIds": ["a", "a", ""]}}),
            ["~rollout.scope.loopIds entries must be non-empty strings"],
        ),
        (autonomous(rollout={"scope": {"loopIds": ["x", "x"]}}), ["~rollout.scope.loopIds entries must be unique"]),
        (
            autonomous(rollout={"scope": {"loopIds": ["x", "y", "a"]}}),
            ["~rollout.scope.loopIds entries must reference declared loopIds"],
        ),
        (autonomous(rollout={"scope": {"loopIds": ["b", "a"]}}), []),
        ({"suppressions": {"*": None}}, ["policy.suppressions.* must be an array"]),
        ({"suppressions": {"a": ["health_critical", "health_critical"], "*": []}}, []),
    ],
)
def test_every_violation_has_its_bullet(policy: Any, expected: list[str]) -> None:
    assert found(policy) == expected


def test_autonomy_needs_somebody_who_answers_for_it() -> None:
    assert found({"mode": "guarded_auto", "autonomous": 5}) == ["policy.autonomous must be an object"]
    assert found({"mode": "guarded_auto", "autonomous": {"governance": "me"}}) == [
        "~governance must be an object",
        "~governance is required when policy.mode is guarded_auto",
    ]
    assert found({"mode": "guarded_auto"})[0] == "~governance is required when policy.mode is guarded_auto"
    assert violations(guarded(), now=NOW) == []


@pytest.mark.parametrize(
    "stamp",
    ["2026-02-31T00:00:00Z", " 2026-02-01T00:00:00Z", "2026-2-3T0:0:0Z", "2026-02-01T00:00:60Z", FUTURE.lower()],
)
def test_only_moments_of_the_calendar_are_timestamps(stamp: str) -> None:
    assert found(autonomous(governance=governance(reviewBy=stamp))) == [
        "~governance.reviewBy must be an ISO-8601 timestamp"
    ]


def test_a_review_deadline_that_has_passed_ends_a_command_but_not_observation() -> None:
    document = guarded(changedAt="2026-01-01T00:00:00Z", reviewBy=PAST)
    last = "policy.autonomous.governance.reviewBy must be in the future when policy.mode is guarded_auto"
    assert violations(document, now=NOW) == [last]
    observed = parse_registry(document, source="r", now=NOW, expiry_is_fatal=False)
    assert observed.expired(NOW)
    assert [entry.loop_id for entry in observed.loops] == ["a"]


def test_the_deadline_is_the_first_moment_of_expiry() -> None:
    parsed = parse_registry(guarded(), source="r", now=NOW)
    assert parsed.review_by is not None
    assert not parsed.expired(parsed.review_by - 1)
    assert parsed.expired(parsed.review_by)


def test_where_nothing_is_permitted_nothing_expires() -> None:
    document = registry({"loopId": "a"}, policy=autonomous(governance=governance(reviewBy=PAST, changedAt=None)))
    assert not parse_registry(document, source="r", now=NOW).expired(NOW)


def test_other_violations_stay_fatal_where_expiry_is_not() -> None:
    document = guarded(changedAt="2026-01-01T00:00:00Z", reviewBy=PAST, actor="")
    with pytest.raises(RegistryError, match="actor") as refused:
        parse_registry(document, source="r", now=NOW, expiry_is_fatal=False)
    assert "in the future" not in str(refused.value)


def test_an_odd_permission_is_valid_and_worth_a_look() -> None:
    odd = guarded(changedAt="2026-06-01T00:00:00Z", reviewBy="2036-01-01T00:00:00Z")
    assert violations(odd, now=NOW) == []
    assert governance_warnings(odd, NOW) == [
        "policy.autonomous.governance.changedAt lies in the future",
        "policy.autonomous.governance.reviewBy is more than a year away",
    ]
    assert governance_warnings(guarded(), NOW) == governance_warnings(registry({"loopId": "a"}), NOW) == []

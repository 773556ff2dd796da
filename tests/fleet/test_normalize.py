"""The normalized registry: whole, stable under a second normalization, and never a crash, whatever comes in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import RegistryError
from opsd.fleet.normalize import only_loop
from opsd.fleet.registry import parse_registry, violations
from tests.fleet.factories import FUTURE, NOW, PAST, guarded, registry


def normalized(document: Any) -> Any:
    return parse_registry(document, source="r", now=NOW).document


def test_the_minimal_registry_takes_every_default_in_the_contracts_order() -> None:
    text = json.dumps(normalized(registry({"loopId": "a"})), separators=(",", ":"))
    assert text == (
        '{"schemaVersion":"v1","sourceFile":"r","fleetId":"default","loops":[{"loopId":"a","enabled":true,"transport":"local",'
        '"sprite":{},"service":{"retryAttempts":3,"retryBackoffSeconds":1},"metadata":{}}],"policy":{"mode":"advisory",'
        '"suppressions":{},"noiseControls":{"dedupeWindowSeconds":300},"autonomous":{"enabled":false,"allow":{"categories":'
        '["reconcile_failed","health_critical"],"intents":["cancel"]},"thresholds":{"minSeverity":"critical","minConfidence":'
        '"high"},"safety":{"maxActionsPerRun":1,"maxActionsPerLoop":1,"cooldownSeconds":300,"killSwitch":false},"governance":'
        '{},"rollout":{"canaryPercent":100,"scope":{"loopIds":[]},"selector":{"salt":"fleet-autonomous-rollout-v1"},"pause":'
        '{"manual":false},"autoPause":{"enabled":true,"lookbackExecutions":5,"minSampleSize":3,"ambiguityRateThreshold":0.4,'
        '"failureRateThreshold":0.4}}}},"loopCount":1}'
    )


def test_false_is_honoured_where_it_means_something_and_absent_elsewhere() -> None:
    rollout = {
        "autoPause": {"enabled": False, "minSampleSize": False},
        "canaryPercent": False,
        "selector": {"salt": False},
    }
    document = normalized(
        registry(
            {"loopId": "a", "enabled": False, "transport": False, "metadata": False, "sprite": {"assignment": False}},
            fleetId=False,
            policy={"autonomous": {"rollout": rollout}},
        )
    )
    (loop,) = document["loops"]
    assert (loop["enabled"], loop["transport"], loop["metadata"], loop["sprite"]) == (False, "local", {}, {})
    assert document["fleetId"] == "default"
    wanted = document["policy"]["autonomous"]["rollout"]
    assert (wanted["autoPause"]["enabled"], wanted["autoPause"]["minSampleSize"]) == (False, 3)
    assert (wanted["canaryPercent"], wanted["selector"]["salt"]) == (100, "fleet-autonomous-rollout-v1")


def test_zeros_and_empty_values_are_kept() -> None:
    rollout = {"canaryPercent": 0, "autoPause": {"ambiguityRateThreshold": 0}}
    document = normalized(
        registry({"loopId": "a"}, fleetId="", policy={"autonomous": {"rollout": rollout, "allow": {"intents": []}}})
    )
    autonomous = document["policy"]["autonomous"]
    assert document["fleetId"] == ""
    assert autonomous["rollout"]["canaryPercent"] == autonomous["rollout"]["autoPause"]["ambiguityRateThreshold"] == 0
    assert autonomous["allow"]["intents"] == []


def test_the_review_window_is_in_whole_days() -> None:
    document = normalized(guarded(changedAt="2026-02-23T00:00:00Z", reviewBy="2026-12-31T00:00:00Z"))
    assert document["policy"]["autonomous"]["governance"]["reviewWindowDays"] == 311
    assert document["policy"]["autonomous"]["enabled"] is True
    short = normalized(guarded(changedAt="2026-12-30T00:00:01Z", reviewBy=FUTURE))
    assert short["policy"]["autonomous"]["governance"]["reviewWindowDays"] == 0


def test_one_loop_is_kept_with_the_whole_policy() -> None:
    document = normalized(registry({"loopId": "a"}, {"loopId": "b"}))
    kept = only_loop(document, "b")
    assert kept is not None
    assert ([item["loopId"] for item in kept["loops"]], kept["loopCount"], list(kept)[-1]) == (["b"], 1, "loopCount")
    assert kept["policy"] == document["policy"]
    assert only_loop(document, "B") is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
#: Values that make a block valid, mixed with anything.
_WORDS = st.sampled_from(
    ["v1", "local", "sprite_service", "guarded_auto", "advisory", "cancel", "health_critical", "high", PAST, FUTURE]
)
_NAMES = (
    *("schemaVersion", "fleetId", "loops", "policy", "loopId", "enabled", "transport", "sprite", "service", "metadata"),
    *("id", "baseUrl", "tokenEnv", "retryAttempts", "mode", "suppressions", "noiseControls", "autonomous", "allow"),
    *("categories", "intents", "thresholds", "minSeverity", "safety", "killSwitch", "governance", "actor", "changedAt"),
    *("reviewBy", "rollout", "scope", "loopIds", "selector", "salt", "pause", "manual", "autoPause", "canaryPercent"),
)
_REGISTRIES = st.recursive(
    _JSON | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6),
    max_leaves=30,
)


@given(_REGISTRIES, _REGISTRIES)
def test_anything_is_refused_with_bullets_or_normalized(loop: Any, policy: Any) -> None:
    document = registry({"loopId": "a", **loop} if isinstance(loop, dict) else loop, policy=policy)
    bullets = violations(document, now=NOW)
    if bullets:
        with pytest.raises(RegistryError) as refused:
            normalized(document)
        assert list(refused.value.bullets) == bullets
    else:
        once = normalized(document)
        assert normalized(once) == once


@given(_REGISTRIES)
def test_a_root_of_any_kind_is_judged(document: Any) -> None:
    assert isinstance(violations(document, now=NOW), list)

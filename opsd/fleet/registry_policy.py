"""What a registry's policy block must say (contract 60, 2.2, rules 18 to 57, without governance)."""

from __future__ import annotations

import math
from collections.abc import Set

from opsd.contract.fleet_words import CATEGORIES, CONFIDENCES, INTENTS, SEVERITIES, PolicyMode
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import absent, first_present
from opsd.fleet.bullets import (
    Bullets,
    all_texts,
    integer_between,
    is_filled_text,
    is_text,
    list_violation,
    number_between,
)
from opsd.fleet.registry_governance import check_governance

__all__ = ["CATEGORIES", "CONFIDENCES", "INTENTS", "SEVERITIES", "PolicyMode", "check_policy"]

_AUTONOMOUS = "policy.autonomous"
_COUNT = (integer_between(0, math.inf), "an integer >= 0")
_COUNT_FROM_1 = (integer_between(1, math.inf), "an integer >= 1")
_RATE = (number_between(0, 1), "a number between 0 and 1")


def check_policy(registry: JsonObject, loop_ids: Set[str], now: int, bullets: Bullets) -> None:
    """Rules 18 to 57; ``loop_ids`` are the declared ones, ``now`` is in seconds since 1970."""
    policy = bullets.container(registry, "policy", "policy")
    mode = first_present(policy.get("mode"), PolicyMode.ADVISORY.value)
    if mode not in tuple(PolicyMode):
        bullets.add("policy.mode must be advisory or guarded_auto")
    noise = bullets.container(policy, "noiseControls", "policy.noiseControls")
    bullets.check(noise, "policy.noiseControls", "dedupeWindowSeconds", *_COUNT)
    autonomous = bullets.container(policy, "autonomous", _AUTONOMOUS)
    _check_limits(autonomous, bullets)
    # A block that is no object was refused as a whole; what it lacks is not told on top.
    if policy.get("autonomous") is None or isinstance(policy["autonomous"], dict):
        check_governance(autonomous, mode == PolicyMode.GUARDED_AUTO, now, bullets)
    _check_rollout(bullets.container(autonomous, "rollout", f"{_AUTONOMOUS}.rollout"), loop_ids, bullets)
    _check_suppressions(policy, loop_ids, bullets)


def _check_limits(autonomous: JsonObject, bullets: Bullets) -> None:
    """Rules 23 to 33."""
    path = f"{_AUTONOMOUS}.allow"
    allow = bullets.container(autonomous, "allow", path)
    bullets.members(allow, "categories", path, CATEGORIES, "unsupported categories")
    bullets.members(allow, "intents", path, INTENTS, "unsupported intents")
    path = f"{_AUTONOMOUS}.thresholds"
    thresholds = bullets.container(autonomous, "thresholds", path)
    for key, known in (("minSeverity", SEVERITIES), ("minConfidence", CONFIDENCES)):
        bullets.first(
            thresholds.get(key),
            f"{path}.{key}",
            {"must be a string when present": is_text, f"must be one of {', '.join(known)}": known.__contains__},
        )
    path = f"{_AUTONOMOUS}.safety"
    safety = bullets.container(autonomous, "safety", path)
    for key in ("maxActionsPerRun", "maxActionsPerLoop", "cooldownSeconds"):
        bullets.check(safety, path, key, *_COUNT)
    bullets.switch(safety, "killSwitch", f"{path}.killSwitch")


def _check_rollout(rollout: JsonObject, loop_ids: Set[str], bullets: Bullets) -> None:
    """Rules 43 to 55."""
    root = f"{_AUTONOMOUS}.rollout"
    bullets.check(rollout, root, "canaryPercent", integer_between(0, 100), "an integer between 0 and 100")
    scope = bullets.container(rollout, "scope", f"{root}.scope")
    bullets.first(
        scope.get("loopIds"),
        f"{root}.scope.loopIds",
        {
            "must be an array when present": lambda value: isinstance(value, list),
            "entries must be strings": all_texts,
            "entries must be non-empty strings": lambda value: "" not in value,
            "entries must be unique": lambda value: len(set(value)) == len(value),
            "entries must reference declared loopIds": lambda value: loop_ids >= set(value),
        },
    )
    selector = bullets.container(rollout, "selector", f"{root}.selector")
    bullets.first(
        selector.get("salt"),
        f"{root}.selector.salt",
        {"must be a string when present": is_text, "must be non-empty when present": is_filled_text},
    )
    pause = bullets.container(rollout, "pause", f"{root}.pause")
    bullets.switch(pause, "manual", f"{root}.pause.manual")
    path = f"{root}.autoPause"
    auto_pause = bullets.container(rollout, "autoPause", path)
    bullets.switch(auto_pause, "enabled", f"{path}.enabled")
    for key in ("lookbackExecutions", "minSampleSize"):
        bullets.check(auto_pause, path, key, *_COUNT_FROM_1)
    for key in ("ambiguityRateThreshold", "failureRateThreshold"):
        bullets.check(auto_pause, path, key, *_RATE)


def _check_suppressions(policy: JsonObject, loop_ids: Set[str], bullets: Bullets) -> None:
    """Rules 56 and 57."""
    suppressions = policy.get("suppressions")
    if absent(suppressions):
        return
    if not isinstance(suppressions, dict):
        bullets.add("policy.suppressions must be an object mapping loopId to category arrays")
        return
    for key, value in suppressions.items():
        if key != "*" and key not in loop_ids:
            message = "key must reference a declared loopId or *"
        else:
            message = list_violation(value, CATEGORIES, "unknown categories", kind="an array")
        if message:
            bullets.add(f"policy.suppressions.{key} {message}")

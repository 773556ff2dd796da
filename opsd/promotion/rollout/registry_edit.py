"""One change of the registry as a pure function of two documents (contract 95, 2.3 steps 13 to 15; weaknesses 1, 2).

What an apply changes are seven fields below ``policy.autonomous``, and nothing else. What it writes is the operator's
own document with those seven, with every default that the operator left out, and with the normalizer's derived keys.
Keys that nobody here knows stay, explicit values stay (``false`` and null too), and so does the order of keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import as_object, first_present, get
from opsd.promotion.rollout.context import Governance
from opsd.promotion.rollout.words import Intent

_FULL = 100


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the rollout has gone: percent of the fleet, and whether a person or a rollback has paused it."""

    canary_percent: int | float
    manual_pause: bool

    def document(self) -> JsonObject:
        """As a record holds it."""
        return {"canaryPercent": self.canary_percent, "manualPause": self.manual_pause}


def rollout_of(registry: JsonObject) -> Rollout:
    """The rollout in a registry, normalized or not."""
    rollout = get(registry, "policy", "autonomous", "rollout")
    percent = first_present(get(rollout, "canaryPercent"), _FULL)
    return Rollout(percent, get(rollout, "pause", "manual") is True)


def rollout_after(before: Rollout, intent: Intent, expand_step: int) -> Rollout:
    """What ``intent`` makes of a rollout. A rollback pauses and never lowers the canary."""
    if intent is Intent.EXPAND:
        return Rollout(min(_FULL, before.canary_percent + expand_step), False)
    return Rollout(before.canary_percent, intent is Intent.ROLLBACK)


def edited(
    original: JsonObject, normalized: JsonObject, after: Rollout, governance: Governance | None, changed_at: str
) -> JsonObject:
    """The registry to write.

    Args:
        original: the file's document as its owner wrote it.
        normalized: the same document normalized, or ``{}`` where it cannot be: then nothing is filled in.
        governance: None leaves the governance as it is.
        changed_at: wire timestamp of the change.
    """
    complete = _filled_in(original, normalized)
    policy = dict(as_object(complete.get("policy")))
    autonomous = dict(as_object(policy.get("autonomous")))
    rollout = dict(as_object(autonomous.get("rollout")))
    rollout["canaryPercent"] = after.canary_percent
    rollout["pause"] = {**as_object(rollout.get("pause")), "manual": after.manual_pause}
    autonomous["rollout"] = rollout
    if governance is not None:
        autonomous["governance"] = _governed(as_object(autonomous.get("governance")), governance, changed_at)
    policy["autonomous"] = autonomous
    complete["policy"] = policy
    return complete


#: Where the switch stands that stops autonomy for a while, and the one that stops it altogether.
MANUAL_PAUSE = ("policy", "autonomous", "rollout", "pause", "manual")
KILL_SWITCH = ("policy", "autonomous", "safety", "killSwitch")


def paused(original: JsonObject) -> JsonObject | None:
    """The registry with the manual pause set and nothing else touched; None where something is in its place."""
    return switched(original, MANUAL_PAUSE, True)


def switched(original: JsonObject, path: tuple[str, ...], value: bool) -> JsonObject | None:
    """The registry with one switch set and nothing else touched; None where something is in its place."""
    *outer, last = path
    containers: list[JsonValue] = [original]
    for key in outer:
        inner = containers[-1].get(key)
        if inner is not None and not isinstance(inner, dict):
            return None
        containers.append(inner or {})
    document: JsonObject = {**containers[-1], last: value}
    for key, container in zip(reversed(outer), reversed(containers[:-1]), strict=True):
        document = {**container, key: document}
    return document


#: Keys that the normalizer derives: an older value of theirs is replaced, not kept.
_DERIVED = (("sourceFile",), ("loopCount",), ("policy", "autonomous", "enabled"))


def _filled_in(original: JsonObject, normalized: JsonObject) -> JsonObject:
    complete: JsonObject = _merge(original, normalized)
    for *path, last in _DERIVED:
        value = get(normalized, *path, last)
        if value is not None:
            container = complete
            for key in path:
                container = container[key]
            container[last] = value
    return complete


def _merge(original: JsonValue, normalized: JsonValue) -> JsonValue:
    """``original`` with what only ``normalized`` has added behind; lists of the same length go item by item."""
    if isinstance(original, dict) and isinstance(normalized, dict):
        merged = {
            key: _merge(value, normalized[key]) if key in normalized else value for key, value in original.items()
        }
        return {**merged, **{key: value for key, value in normalized.items() if key not in original}}
    if isinstance(original, list) and isinstance(normalized, list) and len(original) == len(normalized):
        return [_merge(*pair) for pair in zip(original, normalized, strict=True)]
    # A container that was left out by an explicit null is still one that defaults belong into.
    if original is None and isinstance(normalized, dict) and normalized:
        return normalized
    return original


def governance_at(governance: Governance, changed_at: str) -> JsonObject:
    """The five governance fields that a change leaves, in the contract's order."""
    return {
        "actor": governance.actor,
        "approvalRef": governance.approval_ref,
        "rationale": governance.rationale,
        "changedAt": changed_at,
        "reviewBy": governance.review_by,
    }


def _governed(before: JsonObject, governance: Governance, changed_at: str) -> JsonObject:
    begin, end = parse_epoch(changed_at), parse_epoch(governance.review_by)
    changed: JsonObject = {**before, **governance_at(governance, changed_at)}
    if begin is not None and end is not None:
        changed["reviewWindowDays"] = (end - begin) // 86400
    return changed

"""The policy state's counts, its summary and its reason codes (contract 70, 10.1 and 10.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.policy.decisions import Decision, Decisions
from opsd.fleet.policy.words import Mode, Reason, StateReason, SuppressionReason

_ROLLOUT_GATED = frozenset({Reason.SCOPE, Reason.CANARY})
_PAUSED = frozenset({Reason.PAUSED_MANUAL, Reason.PAUSED_AUTO})
_SAFETY = frozenset({Reason.COOLDOWN, Reason.RUN_CAP, Reason.LOOP_CAP})


def counts(decisions: Decisions) -> JsonObject:
    """The state's six counts, in the contract's order."""
    shown = _shown(decisions)
    eligible = sum(one.eligible for one in shown)
    suppressions = _suppressions(decisions)
    return {
        "candidateCount": len(decisions.each),
        "unsuppressedCount": len(shown),
        "suppressedCount": len(decisions.each) - len(shown),
        "cooldownSuppressedCount": suppressions[SuppressionReason.COOLDOWN],
        "autoEligibleCount": eligible,
        "manualOnlyCount": len(shown) - eligible,
    }


def summary(decisions: Decisions) -> JsonObject:
    """The state's ``summary``; closed sets show their zeros, open ones only what occurs, in order of occurrence."""
    shown = _shown(decisions)
    eligible = sum(one.eligible for one in shown)
    candidates = [one.candidate for one in decisions.each]
    return {
        "bySeverity": _with_zeros((one.severity for one in candidates), "critical", "warning", "info"),
        "byConfidence": _with_zeros((one.confidence for one in candidates), "high", "medium", "low"),
        "byCategory": dict(Counter(one.category.value for one in candidates)),
        "bySuppressionReason": {reason.value: count for reason, count in _suppressions(decisions).items()},
        "byAutonomy": {"eligible": eligible, "manualOnly": len(shown) - eligible},
        "byAutonomyReason": {reason.value: count for reason, count in _autonomy_reasons(shown).items()},
    }


def state_reasons(mode: Mode, decisions: Decisions) -> list[StateReason]:
    """The state's reason codes, sorted; all that concern autonomy look at unsuppressed candidates only."""
    shown = _shown(decisions)
    suppressions = _suppressions(decisions)
    found = {StateReason.ACTION_REQUIRED if shown else StateReason.NO_ACTION}
    if suppressions:
        found.add(StateReason.SUPPRESSED)
    if suppressions[SuppressionReason.REGISTRY]:
        found.add(StateReason.POLICY_SUPPRESSED)
    if suppressions[SuppressionReason.COOLDOWN]:
        found.add(StateReason.DEDUPED)
    if mode is Mode.GUARDED_AUTO:
        found |= _autonomy_state(shown, autopaused=bool(decisions.each and decisions.pause.auto_reasons))
    return sorted(found)


def _autonomy_state(shown: list[Decision], *, autopaused: bool) -> set[StateReason]:
    reasons = frozenset(_autonomy_reasons(shown))
    eligible = any(one.eligible for one in shown)
    said = {
        StateReason.ELIGIBLE: eligible,
        StateReason.BLOCKED: bool(shown) and not eligible,
        StateReason.ROLLOUT_GATED: bool(reasons & _ROLLOUT_GATED),
        StateReason.PAUSED: bool(reasons & _PAUSED),
        StateReason.AUTOPAUSED: autopaused,
        StateReason.KILL_SWITCH: Reason.KILL_SWITCH in reasons,
        StateReason.SAFETY_BLOCKED: bool(reasons & _SAFETY),
    }
    return {code for code, applies in said.items() if applies}


def _shown(decisions: Decisions) -> list[Decision]:
    return [one for one in decisions.each if not one.suppressed]


def _suppressions(decisions: Decisions) -> Counter[SuppressionReason]:
    found = (one.subject.suppression.reason for one in decisions.each)
    return Counter(reason for reason in found if reason is not None)


def _autonomy_reasons(shown: list[Decision]) -> Counter[Reason]:
    return Counter(reason for one in shown for reason in one.reasons)


def _with_zeros(words: Iterable[str], *known: str) -> dict[str, int]:
    found = Counter(words)
    return {word: found[word] for word in known}

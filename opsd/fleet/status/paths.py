"""What keeps candidates from autonomy, sorted by the way it takes (contract 75, 4.2 and ``safetyGateDecisions``)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.values import compact_text, count_map, first_present, uniq
from opsd.fleet.documents import Document
from opsd.fleet.policy.words import Reason
from opsd.fleet.status.governance import Governance

_SAFETY: Final = frozenset({Reason.KILL_SWITCH, Reason.COOLDOWN, Reason.RUN_CAP, Reason.LOOP_CAP})
_POLICY_GATED: Final = _SAFETY | {
    Reason.MODE,
    Reason.SUPPRESSED,
    Reason.CATEGORY,
    Reason.INTENT,
    Reason.NO_INTENT,
    Reason.SEVERITY,
    Reason.CONFIDENCE,
}
_ROLLOUT_GATED: Final = frozenset(
    {
        Reason.SCOPE,
        Reason.CANARY,
        Reason.PAUSED_MANUAL,
        Reason.PAUSED_AUTO,
        Reason.AMBIGUOUS_SPIKE,
        Reason.FAILURE_SPIKE,
    }
)


def safety_gate_decisions(policy: Document | None, handoff: Document | None, governance: Governance) -> JsonObject:
    """The ``safetyGateDecisions`` object: occurrences of reasons, not candidates.

    Raises:
        ManagerFileError: a count is no number, or a container is of a wrong shape.
    """
    by_reason = _autonomy_reasons(policy)
    transport = count_map(_transport_blocks(handoff))
    held_back = 0 if policy is None or not governance.blocks else first_present(policy.number("unsuppressedCount"), 0)
    paths = {
        "policyGated": _path(_picked(by_reason, _POLICY_GATED)),
        "rolloutGated": _path(_picked(by_reason, _ROLLOUT_GATED)),
        "governanceGated": {"blockedCount": held_back, "reasonCodes": governance.reason_codes},
        "transportGated": _path(transport),
    }
    names = ("policy", "rollout", "governance", "transport")
    return {
        "byReason": by_reason,
        "byPath": paths,
        "suppressionReasonCodes": uniq(
            f"autonomous_suppression_{name}_gated" for name in names if paths[f"{name}Gated"]["blockedCount"] > 0
        ),
        "blockedCount": _path(_picked(by_reason, _ROLLOUT_GATED | _SAFETY))["blockedCount"],
        "killSwitchActive": policy is not None and policy.at("autonomous", "controls", "safety", "killSwitch") is True,
    }


def _autonomy_reasons(policy: Document | None) -> dict[str, JsonValue]:
    if policy is None:
        return {}
    counts = policy.container("summary", "byAutonomyReason")
    for reason in counts:
        policy.number("summary", "byAutonomyReason", reason)
    return counts


def _transport_blocks(handoff: Document | None) -> list[str]:
    """The reason of every dispatch to a service loop that did not end well, manual ones included (weakness 11)."""
    if handoff is None:
        return []
    transports: dict[str, JsonValue] = {}
    for intent in handoff.objects("intents"):
        transports[compact_text(intent["intentId"])] = first_present(intent["transport"], "local")
    return [
        compact_text(first_present(result["reasonCode"], "transport_execution_blocked"))
        for result in handoff.objects("execution", "results")
        if result["status"] in ("failed", "ambiguous")
        and transports.get(compact_text(result["intentId"])) == TransportKind.SPRITE_SERVICE
    ]


def _picked(counts: Mapping[str, JsonValue], reasons: Container[str]) -> dict[str, JsonValue]:
    return {reason: count for reason, count in counts.items() if reason in reasons}


def _path(by_reason: Mapping[str, JsonValue]) -> JsonObject:
    return {"blockedCount": sum(first_present(count, 0) for count in by_reason.values()), "byReason": dict(by_reason)}

"""From candidates to intents (contract 80, 4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, drop_null, first_present, get, present
from opsd.fleet.documents import Document
from opsd.fleet.handoff.keys import idempotency_key, without_collisions
from opsd.fleet.handoff.words import IntentStatus
from opsd.fleet.policy.words import TAXONOMY

_BY_CATEGORY = {category.value: facts.intent for category, facts in TAXONOMY.items()}


class Traces(NamedTuple):
    """This run's trace id, and the policy's as the records show it."""

    fleet: str
    policy: JsonValue


def unsuppressed(candidates: Sequence[Document]) -> list[Document]:
    """The candidates that ask for something; any ``suppressed`` but false or nothing suppresses.

    Raises:
        ManagerFileError: one of them has no loop id, or a recommended intent that is no text.
    """
    found = [candidate for candidate in candidates if candidate["suppressed"] is None]
    for candidate in found:
        intent = candidate["recommendedIntent"]
        if not isinstance(candidate["loopId"], str) or not (intent is None or isinstance(intent, str)):
            raise ManagerFileError(candidate.message)
    return found


def intents_of(
    candidates: Sequence[Document], loops: Mapping[str, JsonObject], traces: Traces, prefix: str
) -> list[JsonObject]:
    """The intents of unsuppressed candidates in the order in which they are dispatched; unmapped ones give none.

    Raises:
        ManagerFileError: a candidate's autonomy is of a wrong shape.
    """
    mapped = [(candidate, intent_name(candidate)) for candidate in candidates]
    found = [
        _intent(candidate, name, as_object(loops.get(candidate["loopId"])), traces, prefix)
        for candidate, name in mapped
        if name is not None
    ]
    return without_collisions(sorted(found, key=_order))


def intent_name(candidate: Document) -> str | None:
    """What the policy recommends, else what its category asks for; None where nothing does."""
    recommended, category = candidate["recommendedIntent"], candidate["category"]
    if recommended is not None:
        return str(recommended)
    return _BY_CATEGORY.get(category) if isinstance(category, str) else None


def candidate_id_of(candidate: Document) -> JsonValue:
    """The candidate's id, made from its loop and category where it has none."""
    category = compact_text(first_present(candidate["category"], "unknown"))
    return first_present(candidate["candidateId"], f"{candidate['loopId']}:{category}")


def _order(intent: JsonObject) -> tuple[str, bool, str, str]:
    category = intent.get("category")
    shown = "" if category is None else compact_text(category)
    return intent["loopId"], category is not None, shown, intent["intent"]


def _intent(candidate: Document, name: str, loop: JsonObject, traces: Traces, prefix: str) -> JsonObject:
    loop_id, category = candidate["loopId"], candidate["category"]
    candidate_id = candidate_id_of(candidate)
    eligible = first_present(candidate.at("autonomous", "eligible"), False)
    only_manual = candidate.at("autonomous", "manualOnly") is True
    return drop_null(
        {
            "intentId": f"{compact_text(candidate_id)}:{name}",
            "candidateId": candidate_id,
            "loopId": loop_id,
            "category": category,
            "severity": candidate["severity"],
            "confidence": candidate["confidence"],
            "rationale": candidate["rationale"],
            "signal": candidate["signal"],
            "intent": name,
            "recommendedIntent": candidate["recommendedIntent"],
            "status": IntentStatus.PENDING.value,
            "requiresOperatorConfirmation": True,
            "fleetTraceId": traces.fleet,
            "policyTraceId": traces.policy,
            "candidateTraceId": candidate["traceId"],
            "autonomous": {
                "eligible": eligible,
                "manualOnly": only_manual or eligible is not True,
                "reasons": candidate.texts("autonomous", "reasons"),
            },
            "idempotencyKey": idempotency_key(prefix, traces.fleet, loop_id, category, name),
            "transport": first_present(loop.get("transport"), "local"),
            "service": drop_null(
                {
                    "baseUrl": present(get(loop, "service", "baseUrl")),
                    "tokenEnv": present(get(loop, "service", "tokenEnv")),
                    "retryAttempts": first_present(get(loop, "service", "retryAttempts"), 3),
                    "retryBackoffSeconds": first_present(get(loop, "service", "retryBackoffSeconds"), 1),
                }
            ),
            "metadata": first_present(loop.get("metadata"), {}),
        }
    )

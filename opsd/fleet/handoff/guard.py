"""The retry guard: what did not end well is not tried again without a person (contract 80, 4.3, weaknesses 1 and 2).

Invariant: between an outcome of an intent that is ambiguous, failed or unknown and the next *manual* execution of
that intent that ends ``executed``, the intent is never eligible for autonomous dispatch. Planning, suppression, a
crash or any number of guarded runs between the two change nothing about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import uniq
from opsd.fleet.documents import Document
from opsd.fleet.handoff.words import GUARD_PREFIX, INTENT_STATUS, ExecutionMode, Guard, IntentStatus, ResultStatus

#: Intent id -> reason. The reason is text, because what an earlier state says is kept as it is.
Guards = Mapping[str, str]

#: What an outcome leads to; none for one that ended well.
BY_RESULT: Final = {ResultStatus.AMBIGUOUS: Guard.AMBIGUOUS, ResultStatus.FAILED: Guard.FAILED}
_BY_STATUS: Final = {INTENT_STATUS[result]: reason for result, reason in BY_RESULT.items()}


def remembered(prior: Document) -> dict[str, str]:
    """The guards that a handoff state tells of: in its outcomes, in the reasons of its intents, in ``retryGuards``.

    Raises:
        ManagerFileError: one of these is of a wrong shape; nothing may be dispatched on a guess.
    """
    guards: dict[str, str] = {}
    for intent_id, reason in prior.container("retryGuards").items():
        guards[intent_id] = reason if isinstance(reason, str) else Guard.AMBIGUOUS
    for intent in prior.objects("intents"):
        intent_id = intent["intentId"]
        reason = _reason(intent)
        if isinstance(intent_id, str) and reason is not None:
            guards[intent_id] = reason
    return guards


def _reason(intent: Document) -> str | None:
    status = intent["status"]
    if status in tuple(_BY_STATUS):
        return _BY_STATUS[IntentStatus(status)].value
    if status == IntentStatus.EXECUTED and intent.at("execution", "mode") == ExecutionMode.MANUAL:
        return None
    kept = [reason for reason in intent.texts("autonomous", "reasons") if reason.startswith(GUARD_PREFIX)]
    return kept[-1] if kept else None


def guarded(intents: Iterable[JsonObject], guards: Guards) -> list[JsonObject]:
    """The intents, those under a guard for a person only."""
    return [
        only_manual(intent, [guards[intent["intentId"]]]) if intent["intentId"] in guards else intent
        for intent in intents
    ]


def of_absent(intents: Iterable[JsonObject], guards: Guards) -> dict[str, str]:
    """The guards of intents that are not in this plan: a suppressed candidate keeps its guard."""
    planned = {intent["intentId"] for intent in intents}
    return {intent_id: reason for intent_id, reason in sorted(guards.items()) if intent_id not in planned}


def only_manual(intent: JsonObject, reasons: Iterable[str]) -> JsonObject:
    """The intent with autonomy taken away for ``reasons``."""
    kept = intent["autonomous"]["reasons"]
    return {**intent, "autonomous": {"eligible": False, "manualOnly": True, "reasons": uniq([*kept, *reasons])}}

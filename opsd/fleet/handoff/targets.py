"""Which intents an execution is about (contract 80, 5.1 and weakness 5)."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.words import ExecutionMode, IntentStatus


def pool(intents: Sequence[JsonObject], mode: ExecutionMode) -> list[JsonObject]:
    """The pending intents, in autonomous mode the eligible ones of them."""
    pending = [intent for intent in intents if intent["status"] == IntentStatus.PENDING]
    if mode is ExecutionMode.MANUAL:
        return pending
    return [intent for intent in pending if intent["autonomous"]["eligible"] is True]


def targets(
    intents: Sequence[JsonObject], mode: ExecutionMode, loops: Sequence[str], intent_ids: Sequence[str]
) -> list[JsonObject]:
    """The pool narrowed by the filters; values of one kind add up, both kinds must match, none takes the whole pool.

    Raises:
        UsageError: a filter value matches nothing in the pool.
    """
    found = pool(intents, mode)
    for word, key, wanted in (("loop", "loopId", loops), ("intent", "intentId", intent_ids)):
        known = {intent[key] for intent in found}
        unknown = [value for value in wanted if value not in known]
        if unknown:
            raise UsageError(f"{word} filter not found in {mode} execution intents: {','.join(unknown)}")
    return [
        intent
        for intent in found
        if (not loops or intent["loopId"] in loops) and (not intent_ids or intent["intentId"] in intent_ids)
    ]

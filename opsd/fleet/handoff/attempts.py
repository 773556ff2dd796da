"""The record of dispatch attempts: a row before each dispatch, a row after it (contract 80, weakness 2).

The row before is on disk before control is called, so a crash leaves evidence of everything that may have run. The
state names how far of this record it knows (``attemptLog.settledBytes``); what stands behind belongs to runs that
did not come to their end, and is folded into the guards here. A line that a crash tore is no row: a torn row before
means that nothing was dispatched, a torn row after that the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.fleet.documents import Document
from opsd.fleet.handoff.guard import Guards
from opsd.fleet.handoff.words import ATTEMPT_ROW, OUTCOME_ROW, ExecutionMode, Guard, ResultStatus


class PolicyStamp(NamedTuple):
    """Which evaluation of the policy an attempt followed."""

    trace_id: JsonValue
    updated_at: JsonValue


def stamp_of(policy: Document) -> PolicyStamp:
    """The stamp of a policy state."""
    return PolicyStamp(policy["traceId"], policy["updatedAt"])


def attempt_row(
    intent: JsonObject, *, attempt_id: str, mode: ExecutionMode, by: str, stamp: PolicyStamp, now: str
) -> JsonObject:
    """The row before a dispatch."""
    return {
        "timestamp": now,
        "category": ATTEMPT_ROW,
        "attemptId": attempt_id,
        "mode": mode.value,
        "intentId": intent["intentId"],
        "loopId": intent["loopId"],
        "intent": intent["intent"],
        "traceId": intent["fleetTraceId"],
        "idempotencyKey": intent["idempotencyKey"],
        "requestedBy": by,
        "policyTraceId": stamp.trace_id,
        "policyUpdatedAt": stamp.updated_at,
    }


def outcome_row(attempt_id: str, result: JsonObject) -> JsonObject:
    """The row after a dispatch, without what control printed."""
    return {
        "timestamp": result["executedAt"],
        "category": OUTCOME_ROW,
        "attemptId": attempt_id,
        "mode": result["executionMode"],
        "intentId": result["intentId"],
        "status": result["status"],
        "reasonCode": result["reasonCode"],
        "controlExitCode": result["controlExitCode"],
    }


def withheld_row(attempt_id: str, intent: JsonObject, reasons: Sequence[str], now: str) -> JsonObject:
    """The row after an attempt whose dispatch did not start after all."""
    return {
        "timestamp": now,
        "category": OUTCOME_ROW,
        "attemptId": attempt_id,
        "mode": ExecutionMode.AUTONOMOUS.value,
        "intentId": intent["intentId"],
        "status": ResultStatus.WITHHELD.value,
        "reasons": list(reasons),
    }


def settled_bytes(prior: Document) -> int | None:
    """How much of the record a handoff state knows; None when it does not say."""
    value = prior.root.get("attemptLog")
    found = value.get("settledBytes") if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def rows_of(data: bytes) -> list[JsonObject]:
    """The rows in complete lines."""
    found = map(jsoncodec.object_in, data.split(b"\n")[:-1])
    return [row for row in found if row is not None]


def folded(guards: Guards, rows: Iterable[JsonObject], stamp: PolicyStamp) -> dict[str, str]:
    """The guards after attempts of runs that did not end, in the order in which they began.

    What was executed autonomously stays undone in the eyes of the policy until it is evaluated again; under the very
    evaluation that led to it, it is guarded like an unknown outcome.
    """
    known = list(rows)
    outcomes = {str(row.get("attemptId")): row for row in known if row.get("category") == OUTCOME_ROW}
    result = dict(guards)
    for attempt in known:
        intent_id = attempt.get("intentId")
        if attempt.get("category") != ATTEMPT_ROW or not isinstance(intent_id, str):
            continue
        status = outcomes.get(str(attempt.get("attemptId")), {}).get("status")
        if status == ResultStatus.WITHHELD:
            continue
        if status == ResultStatus.FAILED:
            result[intent_id] = Guard.FAILED.value
        elif status != ResultStatus.EXECUTED:
            result[intent_id] = Guard.AMBIGUOUS.value
        elif attempt.get("mode") == ExecutionMode.MANUAL:
            result.pop(intent_id, None)
        elif PolicyStamp(attempt.get("policyTraceId"), attempt.get("policyUpdatedAt")) == stamp:
            result.setdefault(intent_id, Guard.AMBIGUOUS.value)
    return result


def guards_now(remembered: Guards, known: int | None, unsettled: bytes, stamp: PolicyStamp) -> dict[str, str]:
    """The guards that hold now.

    ``unsettled`` is what the record holds behind the first ``known`` bytes; with ``known`` None all of it. Then the
    record may be older than what the state remembers, so it clears nothing of that.
    """
    rows = rows_of(unsettled)
    if known is None:
        return {**folded({}, rows, stamp), **remembered}
    return folded(remembered, rows, stamp)

"""What an execution makes of the plan: its own object, the intents, the telemetry row (contract 80, 5.5 to 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import drop_null, get, present
from opsd.fleet.handoff.dispatch import Order
from opsd.fleet.handoff.guard import only_manual
from opsd.fleet.handoff.plan import conclusions
from opsd.fleet.handoff.words import EXECUTE_ROW, INTENT_STATUS, ResultStatus


class Withheld(NamedTuple):
    """A target whose dispatch did not start, because something stopped it at the last moment."""

    intent: JsonObject
    reasons: Sequence[str]


def execution_of(
    results: Sequence[JsonObject],
    withheld: Sequence[Withheld],
    order: Order,
    *,
    requested_at: str,
    completed_at: str,
) -> JsonObject:
    """The execution object.

    What was withheld was not attempted and is not counted as requested: the rates of auto-pause go by these counts.
    It is listed in an addition of ours, which is there only when it has something to say.
    """
    statuses = [result["status"] for result in results]
    execution: JsonObject = {
        "mode": order.mode.value,
        "requestedBy": order.by,
        "requestedAt": requested_at,
        "completedAt": completed_at,
        "note": order.note or None,
        "requestedIntentCount": len(results),
        "executedIntentCount": len(results),
        "executedCount": statuses.count(ResultStatus.EXECUTED),
        "ambiguousCount": statuses.count(ResultStatus.AMBIGUOUS),
        "failedCount": statuses.count(ResultStatus.FAILED),
        "results": list(results),
    }
    if withheld:
        execution["withheld"] = [
            {"intentId": one.intent["intentId"], "loopId": one.intent["loopId"], "reasons": list(one.reasons)}
            for one in withheld
        ]
    return execution


def acted_on(state: JsonObject) -> list[str]:
    """The loops that the execution of a handoff state did something about; none where nothing was carried out."""
    execution = state.get("execution")
    return [] if execution is None else [result["loopId"] for result in execution["results"]]


def executed_state(state: JsonObject, execution: JsonObject) -> JsonObject:
    """The state after an execution, which is its last key."""
    last_result = {result["intentId"]: result for result in execution["results"]}
    stopped = {one["intentId"]: one["reasons"] for one in execution.get("withheld", ())}
    intents = []
    for intent in state["intents"]:
        intent_id = intent["intentId"]
        if intent_id in stopped:
            intent = only_manual(intent, stopped[intent_id])
        if intent_id in last_result:
            intent = _executed(intent, last_result[intent_id])
        intents.append(intent)
    counts = state["summary"]["candidateCount"], state["summary"]["unsuppressedCandidateCount"]
    return {
        **state,
        "updatedAt": execution["completedAt"],
        **conclusions(intents, *counts),
        "execution": execution,
    }


def _executed(intent: JsonObject, result: JsonObject) -> JsonObject:
    return {
        **intent,
        "status": INTENT_STATUS[ResultStatus(result["status"])].value,
        "execution": drop_null(
            {
                "mode": result["executionMode"],
                "executedAt": result["executedAt"],
                "requestedBy": result["requestedBy"],
                "status": result["status"],
                "reasonCode": result["reasonCode"],
                "traceId": result["traceId"],
                "idempotencyKey": result["idempotencyKey"],
                "autonomousEligible": True if result["autonomousEligible"] else None,
                "controlExitCode": result["controlExitCode"],
                "controlStatus": present(get(result, "control", "status")),
                "confirmed": True if get(result, "control", "confirmed") is True else None,
            }
        ),
    }


def execute_row(state: JsonObject) -> JsonObject:
    """The telemetry row of an execution (5.7)."""
    execution = state["execution"]
    return {
        "timestamp": execution["completedAt"],
        "category": EXECUTE_ROW,
        "fleetId": state["fleetId"],
        "traceId": state["traceId"],
        "execution": execution,
        "summary": {"summary": state["summary"], "reasonCodes": state["reasonCodes"]},
    }

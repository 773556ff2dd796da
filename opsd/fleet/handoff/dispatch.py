"""What is asked of control, what control answers, and what that means (contract 80, 5.2 to 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.ids import parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.values import drop_null, get, number
from opsd.fleet.handoff.words import ExecutionMode, ResultReason, ResultStatus


@dataclass(frozen=True, slots=True)
class Order:
    """Who executes and how. Times in seconds; ``confirm`` False leaves the look for the effect out."""

    mode: ExecutionMode
    by: str
    note: str = ""
    timeout_s: int = 30
    interval_s: int = 2
    confirm: bool = True


@dataclass(frozen=True, slots=True)
class DispatchRequest:
    """One call of control. ``token_env`` names the variable that holds the service's token, and is never a token."""

    loop_id: str
    intent: str
    transport: str
    trace_id: str
    idempotency_key: str
    by: str
    note: str
    timeout_s: int
    interval_s: int
    confirm: bool
    base_url: str = ""
    token_env: str = ""
    retry_attempts: int = 3
    retry_backoff_s: int = 1


class ControlAnswer(NamedTuple):
    """Control's exit code, the one JSON object that it printed, if it did, and what else it had to say."""

    exit_code: int
    output: JsonObject | None = None
    message: str = ""


#: Carries out a request and says how control ended. Raises nothing that control can cause.
Dispatch = Callable[[DispatchRequest], ControlAnswer]


class Outcome(NamedTuple):
    """How one dispatch ended."""

    status: ResultStatus
    reason: ResultReason
    answer: ControlAnswer


def refusal(intent: JsonObject, mode: ExecutionMode, registered: Container[str]) -> Outcome | None:
    """Why control must not be called for an intent; None when it may (5.2, weakness 10)."""
    if mode is ExecutionMode.AUTONOMOUS and intent["autonomous"]["eligible"] is not True:
        return _refused(ResultReason.NOT_ELIGIBLE, "the intent is not eligible for autonomous dispatch")
    if intent["transport"] == TransportKind.SPRITE_SERVICE and not get(intent, "service", "baseUrl"):
        return _refused(ResultReason.MISSING_BASE_URL, "the registry names no address for the loop's service")
    if not _is_safe(intent["loopId"]):
        return _refused(ResultReason.FAILED_COMMAND, "the loop id cannot be used")
    if intent["loopId"] not in registered:
        return _refused(ResultReason.FAILED_COMMAND, "the loop is not in the registry")
    return None


def _refused(reason: ResultReason, message: str) -> Outcome:
    return Outcome(ResultStatus.FAILED, reason, ControlAnswer(1, message=message))


def _is_safe(loop_id: str) -> bool:
    try:
        parse_loop_id(loop_id, reserved=True)
    except UsageError:
        return False
    return True


def request_of(intent: JsonObject, order: Order, prefix: str) -> DispatchRequest:
    """What is asked of control for an intent (5.3)."""
    service = intent["service"]
    mark = f"fleet_handoff:{order.mode}:{intent['intentId']}"
    return DispatchRequest(
        loop_id=intent["loopId"],
        intent=intent["intent"],
        transport=str(intent["transport"]),
        trace_id=intent["fleetTraceId"],
        idempotency_key=key_of(intent, prefix),
        by=order.by,
        note=f"{order.note} | {mark}" if order.note else mark,
        timeout_s=order.timeout_s,
        interval_s=order.interval_s,
        confirm=order.confirm,
        base_url=str(service.get("baseUrl", "")),
        token_env=str(service.get("tokenEnv", "")),
        retry_attempts=max(1, int(number(service["retryAttempts"]) or 0)),
        retry_backoff_s=max(0, int(number(service["retryBackoffSeconds"]) or 0)),
    )


def key_of(intent: JsonObject, prefix: str) -> str:
    """The intent's idempotency key, which is never empty."""
    return intent["idempotencyKey"] or f"{prefix}-{intent['loopId']}-{intent['intent']}"


def outcome_of(answer: ControlAnswer) -> Outcome:
    """What control's exit code means."""
    if answer.exit_code == 0:
        return Outcome(ResultStatus.EXECUTED, ResultReason.CONFIRMED, answer)
    if answer.exit_code == 2:
        return Outcome(ResultStatus.AMBIGUOUS, ResultReason.AMBIGUOUS, answer)
    return Outcome(ResultStatus.FAILED, ResultReason.FAILED_COMMAND, answer)


def printed_object(together: bytes, stdout: bytes) -> JsonObject | None:
    """The one JSON object that a program printed: on both streams together, else on stdout alone (weakness 4)."""
    for text in (together, stdout):
        try:
            value = jsoncodec.loads(text)
        except ValueError:
            continue
        return value if isinstance(value, dict) else None
    return None


def result_of(intent: JsonObject, outcome: Outcome, order: Order, prefix: str, executed_at: str) -> JsonObject:
    """The result object (5.4); ``controlMessage`` is ours and tells why control did not do it."""
    return drop_null(
        {
            "intentId": intent["intentId"],
            "loopId": intent["loopId"],
            "intent": intent["intent"],
            "traceId": intent["fleetTraceId"],
            "idempotencyKey": key_of(intent, prefix),
            "requestedBy": order.by,
            "executedAt": executed_at,
            "status": outcome.status.value,
            "reasonCode": outcome.reason.value,
            "executionMode": order.mode.value,
            "autonomousEligible": intent["autonomous"]["eligible"] is True,
            "controlExitCode": outcome.answer.exit_code,
            "control": outcome.answer.output,
            "controlMessage": outcome.answer.message or None,
        }
    )

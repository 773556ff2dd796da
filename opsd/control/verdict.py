"""What became of an intent: status, exit code and the three audit rows, as pure functions (contract 30, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.secrets import MASK
from opsd.contract.values import drop_null


class Intent(StrEnum):
    """What an operator wants of a loop."""

    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"


class ControlStatus(StrEnum):
    """The statuses that this side gives; a service may answer others, which are taken over as they are."""

    CONFIRMED = "confirmed"
    EXECUTED_UNCONFIRMED = "executed_unconfirmed"
    AMBIGUOUS = "ambiguous"
    FAILED_COMMAND = "failed_command"


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One intent. Times in seconds; ``note`` and ``idempotency_key`` empty where there is none."""

    repo: str
    loop_id: LoopId
    intent: Intent
    by: str
    note: str
    trace_id: str
    idempotency_key: str
    confirm: bool = True
    timeout_s: int = 30
    interval_s: int = 2
    retry_attempts: int = 3
    retry_backoff_s: int = 1
    transport: TransportKind = TransportKind.LOCAL
    #: A cancel stops whatever runs in the repo; with this it is refused while that is another loop.
    only_if_active: bool = False
    #: Whose token asked for it; empty where nobody asked by a token of their own. ``by`` is what the caller says.
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known after the attempt.

    ``confirmation`` is the payload, None without one; ``attempted`` tells whether somebody looked for an effect;
    ``additions`` are facts of ours that stand beside the contract's fields in the intents row.
    """

    status: str
    command: str
    exit_code: int = 0
    confirm_exit_code: int = 0
    confirmed: bool = False
    confirmation: JsonValue = None
    attempted: bool = False
    replayed: bool = False
    output: str = ""
    additions: JsonObject | None = None

    @property
    def exit(self) -> int:
        """The control command's exit code (3.4)."""
        return {"confirmed": 0, "executed_unconfirmed": 0, "ambiguous": 2}.get(self.status, 1)

    @property
    def reason_code(self) -> str | None:
        """Set for what an operator has to look at."""
        return {"ambiguous": "control_ambiguous", "failed_command": "control_failed_command"}.get(self.status)

    @property
    def execution_status(self) -> str:
        """``failed_command`` or ``succeeded``."""
        return "failed_command" if self.status == ControlStatus.FAILED_COMMAND else "succeeded"

    @property
    def confirmation_status(self) -> str:
        """How the look for an effect ended (3.4)."""
        known = {"confirmed": "confirmed", "executed_unconfirmed": "skipped", "ambiguous": "ambiguous"}
        return known.get(self.status, "attempted_unknown" if self.confirmation is not None else "not_attempted")


#: What is shorter is found everywhere, and is no secret.
_MIN_SECRET = 4


def masked(verdict: Verdict, secrets: Sequence[str]) -> Verdict:
    """The verdict without secrets in what a program or a service said (weakness 24)."""
    known = [secret for secret in secrets if len(secret) >= _MIN_SECRET]
    if not known:
        return verdict

    def clean(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            for secret in known:
                value = value.replace(secret, MASK)
            return value
        if isinstance(value, list):
            return [clean(item) for item in value]
        return {clean(key): clean(item) for key, item in value.items()} if isinstance(value, dict) else value

    return replace(
        verdict,
        status=clean(verdict.status),
        command=clean(verdict.command),
        output=clean(verdict.output),
        confirmation=clean(verdict.confirmation),
    )


@dataclass(frozen=True, slots=True)
class ControlTime:
    """Wire timestamps of start and completion, and the whole seconds between them."""

    started_at: str
    completed_at: str
    duration_s: int


def intent_row(request: ControlRequest, verdict: Verdict, time: ControlTime, control_id: str) -> JsonObject:
    """The row of ``intents.jsonl``, which is also printed (3.5). ``control_id`` is ours: it tells repeats apart."""
    return drop_null(
        {
            "timestamp": time.completed_at,
            "loopId": request.loop_id,
            "intent": request.intent,
            "traceId": request.trace_id,
            "requestedBy": request.by,
            "note": request.note or None,
            "transport": request.transport,
            "status": verdict.status,
            "command": verdict.command,
            "idempotencyKey": request.idempotency_key,
            "exitCode": verdict.exit_code,
            "confirmExitCode": verdict.confirm_exit_code,
            "confirmed": verdict.confirmed,
            "commandOutput": verdict.output or None,
            "confirm": verdict.confirmation,
            **(verdict.additions or {}),
            "principal": request.principal or None,
            "controlId": control_id,
        }
    )


def telemetry_row(request: ControlRequest, verdict: Verdict, time: ControlTime, control_id: str) -> JsonObject:
    """The row of ``telemetry/control.jsonl`` (3.5)."""
    return drop_null(
        {
            "timestamp": time.completed_at,
            "startedAt": time.started_at,
            "loopId": request.loop_id,
            "intent": request.intent,
            "traceId": request.trace_id,
            "transport": request.transport,
            "status": verdict.status,
            "reasonCode": verdict.reason_code,
            "idempotencyKey": request.idempotency_key,
            "requestedBy": request.by,
            "exitCode": verdict.exit_code,
            "confirmExitCode": verdict.confirm_exit_code,
            "confirmed": verdict.confirmed,
            "durationSeconds": time.duration_s,
            "retryAttempts": request.retry_attempts,
            "retryBackoffSeconds": request.retry_backoff_s,
            "principal": request.principal or None,
            "controlId": control_id,
        }
    )


def invocation_row(request: ControlRequest, verdict: Verdict, time: ControlTime, control_id: str) -> JsonObject:
    """The row of ``telemetry/control-invocations.jsonl`` (3.5)."""
    return drop_null(
        {
            "schemaVersion": "v1",
            "timestamp": time.completed_at,
            "startedAt": time.started_at,
            "loopId": request.loop_id,
            "intent": request.intent,
            "traceId": request.trace_id,
            "transport": request.transport,
            "requestedBy": request.by,
            "note": request.note or None,
            "idempotencyKey": request.idempotency_key,
            "request": {
                "doConfirm": request.confirm,
                "timeoutSeconds": request.timeout_s,
                "intervalSeconds": request.interval_s,
                "retryAttempts": request.retry_attempts,
                "retryBackoffSeconds": request.retry_backoff_s,
            },
            "execution": drop_null(
                {
                    "status": verdict.execution_status,
                    "exitCode": verdict.exit_code,
                    "command": verdict.command,
                    "output": verdict.output or None,
                    "replayed": verdict.replayed,
                }
            ),
            "confirmation": drop_null(
                {
                    "attempted": verdict.attempted,
                    "status": verdict.confirmation_status,
                    "exitCode": verdict.confirm_exit_code,
                    "outcome": verdict.confirmation,
                }
            ),
            "outcome": drop_null(
                {
                    "status": verdict.status,
                    "confirmed": verdict.confirmed,
                    "reasonCode": verdict.reason_code,
                    "durationSeconds": time.duration_s,
                }
            ),
            "principal": request.principal or None,
            "controlId": control_id,
        }
    )

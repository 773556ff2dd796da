"""Control of a loop behind a sprite service: one keyed POST, and what its answer means (contract 30, 3.3)."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.values import digits, drop_null, first_present, get
from opsd.control.verdict import ControlRequest, ControlStatus, Verdict
from opsd.net.addresses import without_credentials
from opsd.runtime.process import run_program
from opsd.transport.answers import bounded_message

#: Added to the confirmation's time limit for the request as a whole (weakness 6).
REQUEST_MARGIN_S = 15.0
#: A larger answer is none: it stands in three rows. The outcome is unknown then.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
PATH = "/ops/control"


class ServiceAnswer(NamedTuple):
    """What the client brought: its exit code, the body, and whether the command may have run nevertheless."""

    exit: int
    body: bytes
    unknown: bool = False


def control_body(request: ControlRequest) -> bytes:
    """The request's body; the two times and ``onlyIfActive`` are ours, beside the contract's fields."""
    return jsoncodec.dumps(
        drop_null(
            {
                "loopId": request.loop_id,
                "intent": request.intent,
                "by": request.by,
                "note": request.note or None,
                "traceId": request.trace_id,
                "idempotencyKey": request.idempotency_key,
                "noConfirm": not request.confirm,
                "timeoutSeconds": request.timeout_s,
                "intervalSeconds": request.interval_s,
                "onlyIfActive": request.only_if_active or None,
            }
        )
    )


def verdict_of(answer: ServiceAnswer, command: str) -> Verdict:
    """How the service's answer becomes a verdict; an answer that is none fails, and is recorded (weakness 9)."""
    if answer.unknown:
        return Verdict(ControlStatus.AMBIGUOUS, command, exit_code=answer.exit, output="{}")
    if answer.exit != 0:
        return Verdict(ControlStatus.FAILED_COMMAND, command, exit_code=answer.exit, output="{}")
    response = jsoncodec.object_in(answer.body)
    result = get(response, "result")
    if response is None or not (result is None or isinstance(result, dict)):
        return Verdict(ControlStatus.FAILED_COMMAND, command, output="{}")
    exit_code = digits(first_present(response.get("exitCode"), 0)) or 0
    status = first_present(get(result, "status"), "")
    if not isinstance(status, str) or not status:
        by_code = ControlStatus.AMBIGUOUS if exit_code == 2 else ControlStatus.FAILED_COMMAND
        status = ControlStatus.CONFIRMED if response.get("ok") is True else by_code
    confirmation = get(result, "confirm")
    return Verdict(
        str(status),
        command,
        exit_code=exit_code,
        confirm_exit_code=digits(first_present(get(result, "confirmExitCode"), 0)) or 0,
        confirmed=get(result, "confirmed") is True or status == ControlStatus.CONFIRMED,
        confirmation=confirmation,
        attempted=confirmation is not None,
        replayed=response.get("replayed") is True,
        output=jsoncodec.dumps(response).decode(),
        additions={"observedNothing": True} if result is None and status == ControlStatus.CONFIRMED else None,
    )


def command_of(base_url: str) -> str:
    """What the rows name as the command; a password in the address is no part of it."""
    return f"POST {without_credentials(base_url).removesuffix('/')}{PATH}"


@dataclass(frozen=True, slots=True)
class ClientProgramExecutor:
    """Posts with an operator's own client (section 1). ``tell`` gets what the client says on stderr."""

    program: str
    base_url: str
    token: str
    tell: Callable[[str], None]

    def __call__(self, request: ControlRequest) -> Verdict:
        """Run the client over a body in a file that only this user can read."""
        with tempfile.NamedTemporaryFile(prefix="opsd-control-") as file:
            file.write(control_body(request))
            file.flush()
            argv = [self.program, "--method", "POST", "--base-url", self.base_url, "--path", PATH]
            argv += ["--token", self.token, "--trace-id", request.trace_id, "--body-file", file.name]
            argv += ["--retry-attempts", str(request.retry_attempts)]
            argv += ["--retry-backoff-seconds", str(request.retry_backoff_s)]
            answer = run_program(argv)
        if answer.stderr:
            self.tell(bounded_message(answer.stderr.decode("utf-8", "replace"), self.token))
        return verdict_of(ServiceAnswer(answer.exit, answer.stdout), command_of(self.base_url))


#: Posts a body with so many attempts, pauses and seconds in all; raises ``ServiceRequestError``.
Post = Callable[[ControlRequest, bytes], Awaitable[bytes]]


async def post_control(post: Post, request: ControlRequest, base_url: str, tell: Callable[[str], None]) -> Verdict:
    """Post with our own client.

    A final 409 or 500 that carries the result is the answer (weakness 8). A request that may have arrived and whose
    answer never came is ambiguous, not failed (weakness 7), whatever a later attempt was answered.
    """
    from opsd.transport.http_client import ServiceRequestError

    command = command_of(base_url)
    try:
        return verdict_of(ServiceAnswer(0, await post(request, control_body(request))), command)
    except UsageError as error:  # nothing was sent
        tell(f"error: {error.message}")
        return verdict_of(ServiceAnswer(1, b""), command)
    except ServiceRequestError as error:
        if error.status in (409, 500) and _carries_result(error.body):
            return verdict_of(ServiceAnswer(0, error.body), command)
        for line in (error.diagnostic, f"error: {error.message}"):
            if line:
                tell(line)
        return verdict_of(ServiceAnswer(1, b"", unknown=error.lost or (error.status == 0 and error.sent)), command)


def _carries_result(body: bytes) -> bool:
    return "exitCode" in (jsoncodec.object_in(body) or {})

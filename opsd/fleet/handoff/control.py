"""The two ways to call control: in this process, or a program in its place (contract 80, 5.3; 30, 1 and 3).

Both are the ``opsd control`` command in all that counts: the same checks, ledger, rows and exit codes. A service's
token comes from the environment and goes into memory or into the child's environment; it stands on no command line
and in no document (weakness 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opsd.contract.errors import OpsError, UsageError
from opsd.contract.ids import parse_loop_id
from opsd.contract.reasons import TransportKind
from opsd.control.local import LocalExecutor
from opsd.control.runner import Control, Executor
from opsd.control.service import service_executor
from opsd.control.verdict import ControlRequest, Intent
from opsd.fleet.handoff.dispatch import ControlAnswer, DispatchRequest, printed_object
from opsd.runtime.process import TIMEOUT_S, run_program
from opsd.transport.answers import bounded_message

TOKEN_VARIABLE = "OPS_MANAGER_SERVICE_TOKEN"  # noqa: S105 - the name, not a token
_MASK = b"[redacted]"
#: Shorter ones would be found everywhere.
_MASKED_FROM = 8


def token_of(request: DispatchRequest, env: Mapping[str, str]) -> str:
    """The loop's own token, else the one that control falls back to; empty where there is none."""
    return (env.get(request.token_env) if request.token_env else None) or env.get(TOKEN_VARIABLE) or ""


@dataclass(frozen=True, slots=True)
class InProcessControl:
    """Calls control in this process; ``env`` holds the hooks of control, and tokens where ``tokens`` is None."""

    repo: str
    env: Mapping[str, str]
    tokens: Mapping[str, str] | None = field(default=None, repr=False)

    def __call__(self, request: DispatchRequest) -> ControlAnswer:
        """Control's answer; a request that control refuses is an answer with exit code 1."""
        said: list[str] = []
        token = token_of(request, self.env if self.tokens is None else self.tokens)
        try:
            row, verdict = Control(self._executor(request, token, said.append)).run(self._control_request(request))
        except OpsError as error:
            return ControlAnswer(1, message=bounded_message(error.message, token))
        return ControlAnswer(verdict.exit, row, bounded_message("\n".join(said), token))

    def _executor(self, request: DispatchRequest, token: str, tell: Callable[[str], None]) -> Executor:
        if request.transport == TransportKind.SPRITE_SERVICE:
            return service_executor(request.base_url, token, self.env, tell)
        return LocalExecutor(self.env)

    def _control_request(self, request: DispatchRequest) -> ControlRequest:
        try:
            intent = Intent(request.intent)
        except ValueError:
            raise UsageError(f"intent must be one of: {', '.join(Intent)}") from None
        try:
            transport = TransportKind(request.transport)
        except ValueError:
            raise UsageError(f"transport must be one of: {', '.join(TransportKind)}") from None
        return ControlRequest(
            repo=self.repo,
            loop_id=parse_loop_id(request.loop_id, reserved=True),
            intent=intent,
            by=request.by,
            note=request.note,
            trace_id=request.trace_id,
            idempotency_key=request.idempotency_key,
            confirm=request.confirm,
            timeout_s=request.timeout_s,
            interval_s=request.interval_s,
            retry_attempts=request.retry_attempts,
            retry_backoff_s=request.retry_backoff_s,
            transport=transport,
        )


@dataclass(frozen=True, slots=True)
class ControlProgram:
    """Calls an operator's own control program with exactly the contract's arguments; ``tokens`` as above."""

    program: str
    repo: str
    env: Mapping[str, str]
    tokens: Mapping[str, str] | None = field(default=None, repr=False)

    def __call__(self, request: DispatchRequest) -> ControlAnswer:
        """The program's answer; one that hangs is ended with everything it started, and has failed with 124."""
        env = dict(self.env)
        token = token_of(request, self.env if self.tokens is None else self.tokens)
        if token and request.transport == TransportKind.SPRITE_SERVICE:
            env[TOKEN_VARIABLE] = token
        answer = run_program(self._argv(request), timeout_s=_limit_s(request), env=env)
        secret = token if len(token) >= _MASKED_FROM else ""
        together, stdout = (_masked(stream, secret) for stream in (answer.output, answer.stdout))
        output = printed_object(together, stdout)
        said = "" if answer.exit == 0 or output is not None else together.decode("utf-8", "replace")
        return ControlAnswer(answer.exit, output, bounded_message(said))

    def _argv(self, request: DispatchRequest) -> list[str]:
        argv = [self.program, "--repo", self.repo, "--loop", request.loop_id, "--intent", request.intent]
        argv += ["--transport", request.transport, "--trace-id", request.trace_id]
        argv += ["--idempotency-key", request.idempotency_key, "--by", request.by, "--note", request.note]
        argv += ["--timeout-seconds", str(request.timeout_s), "--interval-seconds", str(request.interval_s)]
        if not request.confirm:
            argv.append("--no-confirm")
        if request.transport == TransportKind.SPRITE_SERVICE:
            argv += ["--service-base-url", request.base_url, "--retry-attempts", str(request.retry_attempts)]
            argv += ["--retry-backoff-seconds", str(request.retry_backoff_s)]
        return argv


def _masked(stream: bytes, secret: str) -> bytes:
    return stream.replace(secret.encode("utf-8", "surrogateescape"), _MASK) if secret else stream


def _limit_s(request: DispatchRequest) -> float:
    """Generous beside what control itself may take: its command, and a look for the effect in each attempt."""
    attempts = request.retry_attempts
    looks_s = attempts * (request.timeout_s + request.interval_s)
    return TIMEOUT_S + looks_s + request.retry_backoff_s * attempts * (attempts + 1) / 2

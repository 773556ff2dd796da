"""Control of a loop on this host: the superloop command, then the look for its effect (contract 30, 3.2)."""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from opsd.contract import jsoncodec
from opsd.contract.errors import ArtifactError, LockTimeoutError, OpsError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.contract.values import get, last_lines
from opsd.control.confirm import Observed, TakeSnapshot, confirm, observe
from opsd.control.verdict import ControlRequest, ControlStatus, Intent, Verdict
from opsd.runtime.boundary import RepoBoundary
from opsd.runtime.process import TIMEOUT_S, Answer, run_program
from opsd.runtime.reader import LoopReader
from opsd.runtime.superloop import shown_command, superloop_arguments, superloop_program
from opsd.storage import locks
from opsd.storage.layout import control_lock_file

#: A runtime command may take so long; the runtime's own cancel takes up to about 11 s.
COMMAND_TIMEOUT_S = 60.0
#: An operator's confirm program gets its own time limit and this on top.
_CONFIRM_MARGIN_S = 30.0
#: How much longer than one command another command of the repo is waited for.
_LOCK_MARGIN_S = 10.0
#: Looks before an approval, and seconds between them; the runtime rewrites its files in place within milliseconds.
_LOOKS = 5
_LOOK_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Executes with the superloop command of this host.

    ``env`` holds the hooks: ``SUPERLOOP_BIN`` and ``OPS_MANAGER_CONFIRM_SCRIPT`` (section 1).
    """

    env: Mapping[str, str]
    command_timeout_s: float = COMMAND_TIMEOUT_S
    #: May raise :class:`StopLooking`.
    sleep: Callable[[float], None] = field(default=clocks.sleep)

    def __call__(self, request: ControlRequest) -> Verdict:
        """Run the command, then confirm unless told otherwise."""
        argv = [superloop_program(self.env)]
        argv += superloop_arguments(
            request.intent, repo=request.repo, loop_id=request.loop_id, by=request.by, note=request.note
        )
        take = snapshot_taker(request.repo, request.loop_id)
        before = _look(take) if request.confirm and request.intent is Intent.APPROVE else None
        try:
            # One command at a time in a repo: state.json and active-run.json are shared by its loops (05, 9.8).
            with locks.exclusive(control_lock_file(request.repo), wait_s=self.command_timeout_s + _LOCK_MARGIN_S):
                active = active_loop(request.repo) if request.intent is Intent.CANCEL else None
                refusal = _refusal(request, active)
                answer = refusal or run_program(argv, timeout_s=self.command_timeout_s, merge=True)
        except LockTimeoutError as error:
            return Verdict(ControlStatus.FAILED_COMMAND, shown_command(argv), exit_code=124, output=error.message)
        verdict = Verdict(
            ControlStatus.FAILED_COMMAND,
            shown_command(argv),
            exit_code=answer.exit,
            output=last_lines(answer.stdout.decode("utf-8", "replace")),
            additions={"observedActiveLoopId": active} if active is not None else None,
        )
        if answer.exit != 0:
            return (
                verdict
                if verdict.output
                else replace(verdict, output=last_lines(answer.stderr.decode("utf-8", "replace")))
            )
        if not request.confirm:
            return replace(verdict, status=ControlStatus.EXECUTED_UNCONFIRMED)
        code, payload = self._confirm(request, take, before)
        return replace(
            verdict,
            status=ControlStatus.CONFIRMED if code == 0 else ControlStatus.AMBIGUOUS,
            confirmed=code == 0,
            confirm_exit_code=code,
            confirmation=payload,
            attempted=True,
        )

    def _confirm(self, request: ControlRequest, take: TakeSnapshot, before: Observed | None) -> tuple[int, JsonValue]:
        """Exit code and payload; the code alone decides."""
        program = self.env.get("OPS_MANAGER_CONFIRM_SCRIPT")
        if not program:
            payload = confirm(
                request.intent,
                take,
                timeout_s=request.timeout_s,
                interval_s=request.interval_s,
                before=before,
                sleep=self.sleep,
            )
            return (0 if payload["confirmed"] else 1), payload
        argv = [program, "--repo", request.repo, "--loop", request.loop_id, "--intent", request.intent.value]
        argv += ["--timeout-seconds", str(request.timeout_s), "--interval-seconds", str(request.interval_s)]
        answer = run_program(argv, timeout_s=request.timeout_s + request.interval_s + _CONFIRM_MARGIN_S)
        return answer.exit, payload_in(answer.stdout + answer.stderr)


def _look(take: TakeSnapshot) -> Observed | None:
    """What stands there before the command. A file that is just being rewritten is waited for."""
    for _ in range(_LOOKS):
        snapshot = take()
        if snapshot is not None:
            return observe(snapshot)
        clocks.sleep(_LOOK_PAUSE_S)
    return None


def payload_in(output: bytes) -> JsonValue:
    """The output as one JSON value, else the last line of it that is an object, else None (weakness 9)."""
    try:
        return jsoncodec.loads(output)
    except ValueError:
        pass
    for line in reversed(output.splitlines()):
        value = jsoncodec.object_in(line)
        if value is not None:
            return value
    return None


def snapshot_taker(repo: str, loop_id: str) -> TakeSnapshot:
    """Snapshots of a loop on this host; None where there is none to be had."""
    from opsd.contract.ids import LoopId

    reader = LoopReader(repo, LoopId(loop_id))

    def take() -> JsonObject | None:
        try:
            return dict(reader.snapshot(now=format_utc(clocks.time()), trace_id=None))
        except (OpsError, OSError):
            return None

    return take


def chosen_taker(env: Mapping[str, str], repo: str, loop_id: str, *, timeout_s: float = TIMEOUT_S) -> TakeSnapshot:
    """Snapshots by the operator's program where ``OPS_MANAGER_SNAPSHOT_SCRIPT`` names one, else by ours (section 1).

    The program is stopped after ``timeout_s`` seconds.
    """
    program = env.get("OPS_MANAGER_SNAPSHOT_SCRIPT")
    if not program:
        return snapshot_taker(repo, loop_id)

    def take() -> JsonObject | None:
        answer = run_program([program, "--repo", repo, "--loop", loop_id], timeout_s=timeout_s)
        return jsoncodec.object_in(answer.stdout) if answer.exit == 0 else None

    return take


def active_loop(repo: str) -> str | None:
    """Which loop a repo-wide cancel really meets, when that can be told (weakness 11)."""
    try:
        with open(f"{repo}/.superloop/state.json", "rb", opener=RepoBoundary(repo).open) as file:
            state = jsoncodec.loads(file.read())
    except (OSError, ValueError, ArtifactError):
        return None  # it is just being rewritten, or not there
    name = get(state, "current_loop_id")
    return name if get(state, "active") in (True, "true") and isinstance(name, str) and name else None


def _refusal(request: ControlRequest, active: str | None) -> Answer | None:
    if not request.only_if_active or active in (None, request.loop_id):
        return None
    return Answer(1, b"", f"another loop is active in this repo: {active}; nothing was executed".encode())

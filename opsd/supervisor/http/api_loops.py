"""The daemon's loops as the control API sees them (:class:`opsd.api.loop_ports.Loops`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsd.api.failure import ApiError, ErrorCode, no_such_loop
from opsd.api.loop_ports import ConfirmationQuestion, EventsQuestion
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.control.confirm import StopLooking
from opsd.control.ledger import UnrecordedError
from opsd.control.local import COMMAND_TIMEOUT_S, LocalExecutor
from opsd.control.runner import Control, Executor
from opsd.control.service import service_executor
from opsd.control.verdict import ControlRequest
from opsd.fleet.observed import LoopPass
from opsd.fleet.registry import LoopEntry
from opsd.loop.health_files import HealthQuestion
from opsd.loop.outcome import PassOrder
from opsd.runtime.threads import InThread
from opsd.supervisor.fleet.means import control_environment
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.reads import LoopReads
from opsd.supervisor.loops.status import loop_health, loop_status
from opsd.supervisor.loops.supervisor import FleetSupervisor
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.tokens import service_token
from opsd.transport.answers import bounded_message


class DaemonLoops:
    """See :class:`opsd.api.loop_ports.Loops`.

    Args:
        settings: those that are in force, asked each time.
    """

    def __init__(
        self,
        repo: str,
        env: Mapping[str, str],
        settings: Callable[[], Settings],
        fleet: FleetSupervisor,
        in_thread: InThread,
    ) -> None:
        self._env = env
        self._settings = settings
        self._fleet = fleet
        self._in_thread = in_thread
        self._stopping = threading.Event()
        longest = settings().limits.max_line_bytes
        self._reads = LoopReads(repo, env, in_thread, max_line_bytes=longest, pause=self._sleep)

    def stop(self) -> None:
        """Look for no effect of a control any longer: what runs is told as ambiguous."""
        self._stopping.set()
        self._reads.stop()

    def views(self) -> Sequence[Mapping[str, object]]:
        """Every supervised loop."""
        return self._fleet.loops()

    def view(self, loop: str) -> Mapping[str, object] | None:
        """One supervised loop."""
        return self._fleet.loop(loop)

    def entry(self, loop: str) -> LoopEntry | None:
        """Its registry entry."""
        found = self._fleet.fleet.get(loop)
        return None if found is None else found.entry

    def order_pass(self, loop: str, order: PassOrder) -> asyncio.Future[LoopPass]:
        """An operator wants a pass now."""
        ended = self._managed(loop).knowledge.orders.place(order)
        self._fleet.request_reconcile(loop)
        return ended

    def try_order(self, loop: str, order: PassOrder) -> asyncio.Future[LoopPass] | None:
        """The same, and None for a loop that is not supervised, or whose pass hangs."""
        found = self._fleet.fleet.get(loop)
        return None if found is None or found.stuck else self.order_pass(loop, order)

    def look_again(self, loop: str) -> None:
        """A pass soon."""
        self._fleet.request_reconcile(loop)

    async def status(self, loop: str, window: int | None) -> Mapping[str, object]:
        """The operator status, from the loop's files."""
        document: Mapping[str, object] = await self._from_files(self._managed(loop), loop_status, window)
        return document

    async def health(self, loop: str, question: HealthQuestion) -> JsonObject:
        """The health as of now, from the loop's files."""
        document: JsonObject = await self._from_files(self._managed(loop), loop_health, question)
        return document

    async def _from_files(self, loop: ManagedLoop, work: Callable[..., Any], *arguments: object) -> Any:
        """What ``work`` makes of a loop's files; before its first pass there need not be any."""
        try:
            return await self._in_thread(work, loop, *arguments)
        except ManagerFileError as error:
            if loop.knowledge.passes:
                raise
            raise ApiError(ErrorCode.NOT_FOUND, error.message) from None

    async def snapshot(self, loop: str, run_id: str | None, trace_id: str | None) -> JsonObject:
        """The snapshot envelope."""
        return await self._reads.snapshot(self._managed(loop), run_id, trace_id)

    async def events(self, loop: str, question: EventsQuestion, trace_id: str | None) -> JsonObject:
        """Events behind a cursor, and the cursor behind them."""
        return await self._reads.events(self._managed(loop), question, trace_id)

    async def confirmation(
        self, loop: str, question: ConfirmationQuestion, trace_id: str, gone: Callable[[], bool], *, by: str = ""
    ) -> JsonObject:
        """Look for an intent's effect."""
        return await self._reads.confirmation(self._managed(loop), question, trace_id, gone, by=by)

    def _managed(self, loop: str) -> ManagedLoop:
        found = self._fleet.fleet.get(loop)
        if found is None:
            raise no_such_loop()
        return found

    def control(
        self, entry: LoopEntry, request: ControlRequest, command_timeout_s: float | None = None
    ) -> tuple[JsonObject, int, str]:
        """Carry an intent out, as ``opsd control`` does; blocking."""
        settings = self._settings()
        env = control_environment(self._env, settings)
        said: list[str] = []
        secret, _origin = service_token(settings, env, entry.token_env)
        token = "" if secret is None else secret.get_secret_value()
        execute: Executor
        if entry.transport is TransportKind.LOCAL:
            execute = LocalExecutor(env, command_timeout_s or COMMAND_TIMEOUT_S, sleep=self._sleep)
        else:
            execute = service_executor(entry.base_url or "", token, env, said.append)
        try:
            row, verdict = Control(execute, secrets=(token,)).run(request)
        except UnrecordedError as error:
            row, verdict = error.row, error.verdict
            said.append(error.message)
        return row, verdict.exit, bounded_message("\n".join(said), token)

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise StopLooking

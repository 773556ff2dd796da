"""The daemon as the control API sees it (:class:`opsd.api.ports.Host`): its fleet, its settings, its threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsd.api.changes import ChangeFeed
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.ports import CommandEnd, ConfirmationQuery, EventsQuery, FleetRules
from opsd.compose_alerts import AlertOptions
from opsd.contract.errors import ManagerFileError, RegistryError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.timestamps import format_utc
from opsd.control.confirm import StopLooking
from opsd.control.ledger import UnrecordedError
from opsd.control.local import COMMAND_TIMEOUT_S, LocalExecutor
from opsd.control.runner import Control, Executor
from opsd.control.service import service_executor
from opsd.control.verdict import ControlRequest
from opsd.fleet.handoff.dispatch import Dispatch
from opsd.fleet.observed import LoopPass
from opsd.fleet.registry import LoopEntry
from opsd.loop.health_files import HealthQuestion
from opsd.loop.outcome import PassOrder
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.alert_run import alert_options
from opsd.supervisor.commands import Commands
from opsd.supervisor.fleet_means import control_environment, fleet_store, fleet_view, handoff_dispatch
from opsd.supervisor.fleet_supervisor import FleetSupervisor
from opsd.supervisor.loop_factory import threshold_catalog_file
from opsd.supervisor.loop_reads import LoopReads
from opsd.supervisor.loop_status import loop_health, loop_status
from opsd.supervisor.managed_loop import InThread, ManagedLoop
from opsd.supervisor.principals_watch import PrincipalsWatch
from opsd.supervisor.settings import Settings
from opsd.supervisor.settings_view import RunningSettings
from opsd.supervisor.tokens import service_token
from opsd.transport.answers import bounded_message


class DaemonHost:
    """See :class:`opsd.api.ports.Host`.

    Args:
        settings: those that are in force, asked each time, and what a reload would find.
        usable: tries what a reload makes of settings; blocking, raises what is wrong.
    """

    def __init__(
        self,
        repo: str,
        env: Mapping[str, str],
        settings: RunningSettings,
        fleet: FleetSupervisor,
        in_thread: InThread,
        usable: Callable[[Settings], object],
    ) -> None:
        self.repo = repo
        self.env = env
        self.started_at = format_utc(time.time())
        self._running = settings
        self._usable = usable
        self._fleet = fleet
        self.in_thread = in_thread
        self._commands = Commands(env)
        self._stopping = threading.Event()
        #: The principals file in force; None without one. It is opened after this was made.
        self.principals: PrincipalsWatch | None = None
        longest = settings.current.limits.max_line_bytes
        self._reads = LoopReads(repo, env, in_thread, max_line_bytes=longest, pause=self._sleep)

    def _settings(self) -> Settings:
        return self._running.current

    @property
    def changes(self) -> ChangeFeed:
        """What happens, as it happens."""
        return self._fleet.changes

    def stop(self) -> None:
        """End streams, and look for no effect of a control any longer: what runs is told as ambiguous."""
        self._stopping.set()
        self.changes.end()

    async def drain(self) -> None:
        """The end of the commands under way."""
        await self._commands.drain()

    def close(self) -> None:
        """End what still runs."""
        self._commands.close()

    def loops(self) -> Sequence[Mapping[str, object]]:
        """Every supervised loop."""
        return self._fleet.loops()

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """One supervised loop."""
        return self._fleet.loop(loop)

    def entry(self, loop: str) -> LoopEntry | None:
        """Its registry entry."""
        found = self._fleet.fleet.get(loop)
        return None if found is None else found.entry

    def order_pass(self, loop: str, order: PassOrder) -> asyncio.Future[LoopPass] | None:
        """An operator wants a pass now."""
        found = self._fleet.fleet.get(loop)
        if found is None:
            return None
        ended = found.knowledge.orders.place(order)
        self._fleet.request_reconcile(loop)
        return ended

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
            return await self.in_thread(work, loop, *arguments)
        except ManagerFileError as error:
            if loop.knowledge.passes:
                raise
            raise ApiError(ErrorCode.NOT_FOUND, error.message) from None

    async def snapshot(self, loop: str, run_id: str | None, trace_id: str | None) -> JsonObject:
        """The snapshot envelope."""
        return await self._reads.snapshot(self._managed(loop), run_id, trace_id)

    async def events(self, loop: str, query: EventsQuery, trace_id: str | None) -> JsonObject:
        """Events behind a cursor, and the cursor behind them."""
        return await self._reads.events(self._managed(loop), query, trace_id)

    async def confirmation(
        self, loop: str, query: ConfirmationQuery, trace_id: str, gone: Callable[[], bool]
    ) -> JsonObject:
        """Look for an intent's effect."""
        return await self._reads.confirmation(self._managed(loop), query, trace_id, gone)

    def _managed(self, loop: str) -> ManagedLoop:
        found = self._fleet.fleet.get(loop)
        if found is None:
            raise ApiError(ErrorCode.NOT_FOUND, "no such loop")
        return found

    async def fleet_document(self, name: str) -> Mapping[str, object]:
        """The fleet's status, policy or handoff state."""
        settings = self._settings()
        try:
            document: Mapping[str, object] = await self.in_thread(fleet_view, self.repo, settings, name)
        except RegistryError:
            raise
        except UsageError as error:
            raise ApiError(ErrorCode.NOT_FOUND, error.message) from None
        return document

    def control(
        self, entry: LoopEntry, request: ControlRequest, command_timeout_s: float | None = None
    ) -> tuple[JsonObject, int, str]:
        """Carry an intent out, as ``opsd control`` does; blocking."""
        settings = self._settings()
        env = control_environment(self.env, settings)
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

    async def run_command(self, argv: Sequence[str], deadline_s: float, *, by: str = "", alone: str = "") -> CommandEnd:
        """Run a command of this manager."""
        return await self._commands.run(argv, deadline_s, by=by, alone=alone)

    def freeze_windows_file(self) -> str | None:
        """Those of the promotion controller."""
        file = self._settings().controller.freeze_windows_file
        return None if file is None else str(file)

    def horizon_outbox(self) -> str | None:
        """Where the bridge looks."""
        folder = self._settings().horizon.outbox_dir
        return None if folder is None else str(folder)

    def fleet_rules(self) -> FleetRules:
        """What the settings say of the fleet's steps."""
        fleet = self._settings().fleet
        return FleetRules(fleet.autonomous, fleet.skip_empty_executions)

    def threshold_catalog_file(self) -> str | None:
        """The catalog of threshold profiles."""
        return threshold_catalog_file(self._settings(), self.env)

    def settings(self) -> JsonObject:
        """Those that are in force."""
        return self._running.shown()

    def check_settings(self) -> JsonObject:
        """What a reload would find; blocking."""
        return self._running.check(self._usable)

    def fleet_store(self) -> FileFleetStore:
        """The fleet's files."""
        return fleet_store(self.repo, self._settings())

    def alert_options(self) -> AlertOptions:
        """As a command would deliver, with the daemon's catalog and rules."""
        return alert_options(self._settings(), long_lived=False)

    def dispatch(self) -> Dispatch:
        """Control as the handoff calls it."""
        return handoff_dispatch(self.repo, self.env, self._settings())

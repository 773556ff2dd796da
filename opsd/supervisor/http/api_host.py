"""The daemon as the control API sees it (:class:`opsd.api.ports.Host`): what it knows, is set to and can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from opsd.api.failure import ApiError, ErrorCode
from opsd.api.ports import CommandEnd, Configured
from opsd.compose_alerts import AlertOptions
from opsd.contract.errors import RegistryError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.fleet.handoff.dispatch import Dispatch
from opsd.loop.outcome import PassOrder
from opsd.runtime.threads import InThread
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.alerts.run import alert_options
from opsd.supervisor.fleet.means import RollupMaker, fleet_store, fleet_view, handoff_dispatch
from opsd.supervisor.fleet.reconcile import reconcile_fleet
from opsd.supervisor.http.api_loops import DaemonLoops
from opsd.supervisor.http.principals_watch import PrincipalsWatch
from opsd.supervisor.jobs.commands import Commands
from opsd.supervisor.loops.factory import threshold_catalog_file
from opsd.supervisor.loops.supervisor import FleetSupervisor
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.view import RunningSettings


class DaemonHost:
    """See :class:`opsd.api.ports.Host`.

    Args:
        settings: those that are in force, asked each time, and what a reload would find.
        usable: tries what a reload makes of settings; blocking, raises what is wrong.
        rollup: makes the fleet's rollup by the settings in force.
    """

    def __init__(
        self,
        repo: str,
        env: Mapping[str, str],
        settings: RunningSettings,
        fleet: FleetSupervisor,
        in_thread: InThread,
        usable: Callable[[Settings], object],
        rollup: Callable[[], RollupMaker],
    ) -> None:
        self.repo = repo
        self.env = env
        self.started_at = format_utc(time.time())
        self.in_thread = in_thread
        self.changes = fleet.changes
        self.loops = DaemonLoops(repo, env, lambda: settings.current, fleet, in_thread)
        self._running = settings
        self._usable = usable
        self._rollup = rollup
        self._commands = Commands(env)
        #: The principals file in force; None without one. It is opened after this was made.
        self.principals: PrincipalsWatch | None = None

    def _settings(self) -> Settings:
        return self._running.current

    def stop(self) -> None:
        """End streams, and look for no effect of a control any longer: what runs is told as ambiguous."""
        self.loops.stop()
        self.changes.end()

    async def drain(self) -> None:
        """The end of the commands under way."""
        await self._commands.drain()

    def close(self) -> None:
        """End what still runs."""
        self._commands.close()

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

    async def reconcile_fleet(
        self, order: PassOrder, trace_id: str, *, pass_wait_s: float, lock_wait_s: float
    ) -> JsonObject:
        """A new pass over every loop of the registry."""
        return await reconcile_fleet(
            self.fleet_store(),
            self._rollup(),
            lambda loop: self.loops.try_order(loop, order),
            trace_id,
            pass_wait_s=pass_wait_s,
            lock_wait_s=lock_wait_s,
        )

    async def run_command(self, argv: Sequence[str], deadline_s: float, *, by: str = "", alone: str = "") -> CommandEnd:
        """Run a command of this manager."""
        return await self._commands.run(argv, deadline_s, by=by, alone=alone)

    def configured(self) -> Configured:
        """What the settings in force say."""
        settings = self._settings()
        return Configured(
            autonomous=settings.fleet.autonomous,
            skip_empty_executions=settings.fleet.skip_empty_executions,
            freeze_windows_file=_text(settings.controller.freeze_windows_file),
            horizon_outbox=_text(settings.horizon.outbox_dir),
            threshold_catalog_file=threshold_catalog_file(settings, self.env),
        )

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


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

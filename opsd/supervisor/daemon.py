"""``opsd run``: the life of the daemon, from start to drain.

Long-lived tasks, all owned by one :class:`TaskSupervisor`: the fleet's registry watch and followers, the workers, the
fleet's steps, the jobs (promotion gates, promotion controller, Horizon bridge), the deliverers of alerts, the file
watcher, the event-loop lag monitor and the service manager's feeder.
SIGHUP reads settings and registry again; SIGTERM and SIGINT let running passes, steps and requests end and close
everything in order. What works is put together in :mod:`opsd.supervisor.parts`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from opsd.api.table import control_api
from opsd.contract.errors import OpsError
from opsd.control.recovery import recover_all
from opsd.supervisor import logs
from opsd.supervisor.http.access import Authenticator
from opsd.supervisor.http.listener import ApiLimits, HttpApi
from opsd.supervisor.http.principals_watch import PrincipalsWatch, open_access
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.parts import DaemonParts
from opsd.supervisor.settings.doubts import doubts
from opsd.supervisor.settings.load import LoadedSettings
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.view import Load
from opsd.supervisor.tasks.supervisor import Heartbeat
from opsd.supervisor.vitals.notify import ServiceManager
from opsd.supervisor.vitals.watchdog import LoopLagMonitor


class Daemon:
    """One run of the daemon.

    Args:
        loaded: the settings at the start.
        env: where tokens and the service manager's variables are looked up.
        reload: reads the settings again, for SIGHUP.
        look: reads them and puts nothing into force, for who wants to know what a reload would find.
    """

    def __init__(
        self, loaded: LoadedSettings, env: Mapping[str, str], reload: Callable[[], LoadedSettings], look: Load
    ) -> None:
        self._reload = reload
        self._parts = DaemonParts(loaded, env, look)
        self._log = structlog.get_logger("opsd.daemon")
        self._service_manager = ServiceManager(env)
        self._principals: PrincipalsWatch | None = None
        self._stop = asyncio.Event()
        #: Two reloads at a time could end with what the earlier one has read.
        self._reloading = asyncio.Lock()
        self._reload_waits = False

    async def run(self) -> int:
        """Supervise until told to stop; the exit code.

        Raises:
            OpsError: the registry or a setting cannot be used at the start.
            UsageError: the listener's address is taken, or not this host's.
        """
        loop = asyncio.get_running_loop()
        parts, settings = self._parts, self._parts.settings
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: parts.tasks.spawn("reload", self._reload_all()))
        parts.watcher.open()
        for row in await parts.in_thread(recover_all, parts.repo):
            self._log.warning("control.recovered", loop=row["loopId"], intent=row["intent"], status=row["status"])
        await parts.fleet.refresh()
        parts.step_fleet()
        access, self._principals = await open_access(
            settings, parts.metrics.access, parts.check, parts.in_thread, parts.host.fleet_store
        )
        parts.host.principals = self._principals
        parts.metrics.before_scrape(parts.before_scrape)
        api = self._api(access)
        try:
            host, port = await api.start()
        except OpsError:
            await parts.tasks.stop(timeout_s=5.0)  # loops are followed already; the error shall be the last word
            raise
        self._start_tasks()
        parts.metrics.config_loaded(time.time())
        self._warn(settings)
        loops = len(parts.fleet.fleet)
        self._log.info("daemon.started", repo=parts.repo, loops=loops, http=f"http://{host}:{port}/metrics")
        self._service_manager.ready(f"supervising {loops} loops")
        await self._stop.wait()
        await self._drain(api)
        return 0

    def _api(self, access: Authenticator) -> HttpApi:
        parts, http = self._parts, self._parts.settings.http
        control = control_api(parts.host, access, max_requests=http.max_requests, max_streams=http.max_streams)
        limits = ApiLimits(http.max_body_bytes, http.max_header_bytes, http.max_requests, http.max_streams)
        return HttpApi(
            parts.metrics,
            parts.view,
            access=access,
            control=control,
            host=http.host,
            port=http.port,
            limits=limits,
        )

    def _warn(self, settings: Settings) -> None:
        for event, fields in doubts(settings):
            self._log.warning(event, **fields)

    def _start_tasks(self) -> None:
        parts, settings = self._parts, self._parts.settings
        tasks, silence_s = parts.tasks, settings.watchdog.task_deadline_seconds
        parts.detector.start()
        measure_s = settings.watchdog.lag_interval_seconds
        monitor = LoopLagMonitor(measure_s, parts.metrics.observe_event_loop_lag, parts.detector)
        tasks.start("event-loop-lag", monitor.run, deadline_s=silence_s + measure_s)
        tasks.start("registry", parts.fleet.watch, deadline_s=silence_s)
        tasks.start("fleet", parts.timer.run, deadline_s=silence_s)
        if self._principals is not None:
            watch, look_s = self._principals, settings.http.principals_look_seconds
            tasks.start("principals", lambda beat: watch.run(beat, look_s=look_s), deadline_s=silence_s + look_s)
        parts.jobs.start(tasks, silence_s=silence_s)
        tasks.start("file-watcher", self._watch_files, deadline_s=silence_s)
        work = partial(parts.runner.work, wanted=self._to_pass_over)
        for number in range(settings.reconcile.max_parallel):
            tasks.start(f"worker-{number}", work, deadline_s=silence_s)
        if parts.alerts is not None:
            parts.alerts.start(tasks, settings)
        if self._service_manager.watchdog_period_s is not None:
            feed = partial(self._service_manager.feed_watchdog, is_well=lambda: not parts.check.problems())
            tasks.start("watchdog", feed, deadline_s=silence_s)

    def _to_pass_over(self, key: str) -> ManagedLoop | None:
        return None if self._parts.view.draining else self._parts.fleet.fleet.get(key)

    async def _watch_files(self, heartbeat: Heartbeat) -> None:
        silence_s = self._parts.settings.watchdog.task_deadline_seconds
        await self._parts.watcher.run(heartbeat.beat, progress_s=silence_s / 4)

    async def _reload_all(self) -> None:
        """SIGHUP: settings, then the registry. What cannot be used changes nothing. One follows the other."""
        if self._reload_waits:
            return  # one that has not begun reads what there is by then
        self._reload_waits = True
        async with self._reloading:
            self._reload_waits = False
            await self._reload_once()

    async def _reload_once(self) -> None:
        parts = self._parts
        self._service_manager.reloading()
        try:
            renewal = parts.renewal(await parts.in_thread(self._reload))
        except (OpsError, OSError) as error:
            parts.metrics.config_reloaded(False, time.time())
            self._log.error("config.refused", message=str(error))
            await parts.fleet.rebuild()
        else:
            settings = renewal.loaded.settings
            waiting = parts.running.waiting(settings)
            if waiting:
                self._log.warning("config.needs_restart", settings=waiting)
            logs.configure(settings.log.level, settings.log.format)
            self._warn(settings)
            await parts.use(renewal)  # whoever waits for the reload may count on it with the next pass
            parts.metrics.config_reloaded(True, time.time())
            self._log.info("config.reloaded")
        self._service_manager.ready(f"supervising {len(parts.fleet.fleet)} loops")

    async def _drain(self, api: HttpApi) -> None:
        """Let running passes and requests of alerts end, then close everything in order."""
        parts = self._parts
        parts.view.draining = True
        self._service_manager.stopping()
        self._log.info("daemon.draining", running=parts.queue.running)
        parts.host.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(parts.settings.drain_seconds), asyncio.TaskGroup() as draining:
                draining.create_task(parts.queue.idle())
                draining.create_task(parts.timer.drain())
                draining.create_task(parts.jobs.drain())
                draining.create_task(parts.host.drain())
                if parts.alerts is not None:
                    draining.create_task(parts.alerts.drain())
        late = await parts.tasks.stop(timeout_s=5.0)
        if parts.alerts is not None:
            await parts.alerts.close()
        await parts.client.close()
        await api.stop()
        parts.detector.stop()
        parts.threads.shutdown(wait=False, cancel_futures=True)
        parts.timer.close()
        parts.jobs.close()
        parts.host.close()
        abandoned = [f"{parts.queue.running} passes"] if parts.queue.running else []
        self._log.info("daemon.stopped", abandoned=late + abandoned)

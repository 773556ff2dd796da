"""``opsd run``: every part of the daemon, put together, from start to drain.

Long-lived tasks, all owned by one :class:`TaskSupervisor`: the fleet's registry watch and followers, the workers, the
fleet's steps, the jobs (promotion gates, promotion controller, Horizon bridge), the deliverers of alerts, the file
watcher, the event-loop lag monitor and the service manager's feeder.
SIGHUP reads settings and registry again; SIGTERM and SIGINT let running passes, steps and requests end and close
everything in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from opsd import __version__, compose_alerts
from opsd.api.changes import ChangeKind
from opsd.api.table import control_api
from opsd.contract.errors import OpsError
from opsd.control.recovery import recover_all
from opsd.fleet.handoff.execution import acted_on
from opsd.runtime.layout import absolute_repo
from opsd.runtime.watcher import JournalWatcher
from opsd.supervisor import logs
from opsd.supervisor.alerts.run import alert_means
from opsd.supervisor.alerts.worker import AlertWorker
from opsd.supervisor.daemon_metrics import DaemonMetrics
from opsd.supervisor.fleet.cycle import CycleRun, FleetCycle
from opsd.supervisor.fleet.means import RollupMaker, fleet_cycle, timer_settings
from opsd.supervisor.fleet.passes import FleetPasses
from opsd.supervisor.fleet.timer import FleetTimer
from opsd.supervisor.http.api_host import DaemonHost
from opsd.supervisor.http.listener import ApiLimits, HttpApi
from opsd.supervisor.http.live_view import DaemonView
from opsd.supervisor.http.principals_watch import PrincipalsWatch, open_access
from opsd.supervisor.jobs.group import JobGroup
from opsd.supervisor.loops.factory import LoopFactory
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.pass_runner import PassLimits, PassRunner
from opsd.supervisor.loops.registry_source import RegistrySource
from opsd.supervisor.loops.supervisor import FleetSupervisor, Means
from opsd.supervisor.settings.doubts import doubts
from opsd.supervisor.settings.load import LoadedSettings
from opsd.supervisor.settings.model import Settings, needs_restart
from opsd.supervisor.settings.view import Load, RunningSettings
from opsd.supervisor.tasks.supervisor import Heartbeat, TaskSupervisor
from opsd.supervisor.tasks.workqueue import WorkQueue
from opsd.supervisor.vitals.notify import ServiceManager
from opsd.supervisor.vitals.self_check import SelfCheck
from opsd.supervisor.vitals.watchdog import BlockDetector, LoopLagMonitor
from opsd.transport.http_client import ClientLimits, ServiceClient

#: Threads beyond the configured ones: passes that hang keep one each until they return.
_SPARE_THREADS = 8


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
        self._running = RunningSettings(loaded, look)
        self._env = env
        self._reload = reload
        self._repo = absolute_repo(str(loaded.settings.repo))
        self._log = structlog.get_logger("opsd.daemon")
        self.metrics = DaemonMetrics(__version__)
        self.queue = WorkQueue()
        self._service_manager = ServiceManager(env)
        settings = self._settings
        self._detector = BlockDetector(settings.watchdog.loop_block_seconds, self._loop_blocked)
        self.tasks = TaskSupervisor(self._task_event)
        self.check = SelfCheck(self.tasks, self._detector)
        self._threads = ThreadPoolExecutor(settings.reconcile.worker_threads + _SPARE_THREADS, "opsd-pass")
        self._watcher = JournalWatcher()
        self._client = ServiceClient(
            ClientLimits(
                settings.transport.connect_timeout_seconds,
                settings.transport.total_timeout_seconds,
                settings.limits.max_response_bytes,
            ),
            allow_plaintext_token=settings.transport.allow_plaintext_token,
        )
        self._alerts = self._alert_worker(settings) if settings.alerts.enabled else None
        self._fleet = FleetSupervisor(
            self._means(settings), self.queue, self.tasks, self.metrics, self.check, self._in_thread, self._alerts
        )
        self._runner = PassRunner(
            self.queue,
            self.metrics,
            _pass_limits(settings),
            self._in_thread,
            alerts=self._alerts,
            on_change=self._fleet.tell,
        )
        self._host = DaemonHost(
            self._repo,
            env,
            self._running,
            self._fleet,
            self._in_thread,
            self._check_settings,
            lambda: self._rollup(self._settings),
        )
        self._timer = FleetTimer(None, timer_settings(settings), self.metrics.fleet, on_end=self._fleet_stepped)
        self._principals: PrincipalsWatch | None = None
        self._jobs = JobGroup(self._repo, settings, self.metrics.jobs, env)
        self._view = DaemonView(self._repo, lambda: self._settings, self._fleet, self.check, self._in_thread)
        self._stop = asyncio.Event()

    @property
    def _settings(self) -> Settings:
        return self._running.current

    def _means(self, settings: Settings) -> Means:
        factory = LoopFactory(self._repo, settings, self._env, self._client, self._watcher, self._sprite_request)
        file = settings.registry.file
        registry = RegistrySource(self._repo, None if file is None else str(file), max_loops=settings.limits.max_loops)
        return Means(settings, factory, factory.judging(), registry)

    def _check_settings(self, settings: Settings) -> None:
        """Try what a reload makes of them, the registry included.

        Raises:
            OpsError: they cannot be used.
        """
        self._means(settings).registry.read()

    def _cycle(self, settings: Settings) -> FleetCycle | None:
        return fleet_cycle(self._repo, self._env, settings, self._rollup(settings))

    def _rollup(self, settings: Settings) -> RollupMaker:
        passes = FleetPasses(self._fleet, lambda: self.check.unusable, self.queue)
        loop = asyncio.get_running_loop()
        return RollupMaker(self._repo, self._env, settings, passes, loop, lambda: self._timer.stopping)

    def _alert_worker(self, settings: Settings) -> AlertWorker:
        return AlertWorker(
            alert_means(self._repo, settings, self._env, self.metrics.alerts),
            compose_alerts.open_shared_sender(),
            self.metrics.alerts,
            lambda loop: self._fleet.alerts_changed(loop),
            threads=settings.alerts.threads,
        )

    def _sprite_request(self, loop: str, kind: str) -> None:
        self._fleet.sprite_request(loop, kind)

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def run(self) -> int:
        """Supervise until told to stop; the exit code.

        Raises:
            OpsError: the registry or a setting cannot be used at the start.
            UsageError: the listener's address is taken, or not this host's.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.tasks.spawn("reload", self._reload_all()))
        settings = self._settings
        self._watcher.open()
        for row in await self._in_thread(recover_all, self._repo):
            self._log.warning("control.recovered", loop=row["loopId"], intent=row["intent"], status=row["status"])
        await self._fleet.refresh()
        self._timer.use(self._cycle(settings), timer_settings(settings))
        access, self._principals = await open_access(
            settings, self.metrics.access, self.check, self._in_thread, self._host.fleet_store
        )
        self._host.principals = self._principals
        self.metrics.before_scrape(self._before_scrape)
        api = HttpApi(
            self.metrics,
            self._view,
            access=access,
            control=control_api(
                self._host,
                access,
                max_requests=settings.http.max_requests,
                max_streams=settings.http.max_streams,
            ),
            host=settings.http.host,
            port=settings.http.port,
            limits=ApiLimits(
                settings.http.max_body_bytes,
                settings.http.max_header_bytes,
                settings.http.max_requests,
                settings.http.max_streams,
            ),
        )
        try:
            host, port = await api.start()
        except OpsError:
            await self.tasks.stop(timeout_s=5.0)  # loops are followed already; the error shall be the last word
            raise
        self._start_tasks()
        self.metrics.config_loaded(time.time())
        self._warn(settings)
        self._log.info(
            "daemon.started", repo=self._repo, loops=len(self._fleet.fleet), http=f"http://{host}:{port}/metrics"
        )
        self._service_manager.ready(f"supervising {len(self._fleet.fleet)} loops")
        await self._stop.wait()
        await self._drain(api)
        return 0

    def _warn(self, settings: Settings) -> None:
        for event, fields in doubts(settings):
            self._log.warning(event, **fields)

    def _start_tasks(self) -> None:
        settings = self._settings
        silence_s = settings.watchdog.task_deadline_seconds
        self._detector.start()
        monitor = LoopLagMonitor(
            settings.watchdog.lag_interval_seconds, self.metrics.observe_event_loop_lag, self._detector
        )
        self.tasks.start("event-loop-lag", monitor.run, deadline_s=silence_s)
        self.tasks.start("registry", self._fleet.watch, deadline_s=silence_s)
        self.tasks.start("fleet", self._timer.run, deadline_s=silence_s)
        if self._principals is not None:
            watch, look_s = self._principals, settings.http.principals_look_seconds
            self.tasks.start("principals", lambda beat: watch.run(beat, look_s=look_s), deadline_s=silence_s + look_s)
        self._jobs.start(self.tasks, silence_s=silence_s)
        self.tasks.start("file-watcher", self._watch_files, deadline_s=silence_s)
        work = partial(self._runner.work, wanted=self._to_pass_over)
        for number in range(settings.reconcile.max_parallel):
            self.tasks.start(f"worker-{number}", work, deadline_s=settings.reconcile.deadline_seconds + silence_s)
        if self._alerts is not None:
            self._alerts.start(self.tasks, settings)
        if self._service_manager.watchdog_period_s is not None:
            feed = partial(self._service_manager.feed_watchdog, is_well=lambda: not self.check.problems())
            self.tasks.start("watchdog", feed, deadline_s=silence_s)

    def _to_pass_over(self, key: str) -> ManagedLoop | None:
        return None if self._view.draining else self._fleet.fleet.get(key)

    async def _watch_files(self, heartbeat: Heartbeat) -> None:
        await self._watcher.run(heartbeat.beat, progress_s=self._settings.watchdog.task_deadline_seconds / 4)

    def _fleet_stepped(self, run: CycleRun) -> None:
        """Whoever follows the fleet's changes hears that its steps were run; who was acted on is looked at."""
        for loop in acted_on({} if run.handoff is None else run.handoff):
            self._fleet.request_reconcile(loop)
        failed = None if run.failure is None else run.failure[0].value
        steps = [step.value for step in run.durations]
        self._host.changes.publish(ChangeKind.FLEET, {"traceId": run.trace_id, "steps": steps, "failedStep": failed})

    def _before_scrape(self) -> None:
        self.metrics.set_queue(self.queue.depth, self.queue.oldest_age_s)
        self.metrics.set_tasks(self.check.tasks_by_state())
        self.metrics.set_ready(self._view.readiness()[0])
        self.metrics.set_unusable(len(self.check.unusable))
        if self._alerts is not None:
            self._alerts.before_scrape()
        self.metrics.set_review_expired(self.check.review_expired)

    def _task_event(self, event: str, name: str, error: BaseException | None) -> None:
        self.metrics.count_task_failure(str(event))
        self._log.error("task." + str(event), task=name, exc_info=error)

    def _loop_blocked(self, seconds: float, stack: str) -> None:
        self._log.error("event_loop.blocked", seconds=round(seconds, 1), stack=stack)
        self.metrics.count_task_failure("blocked")

    async def _reload_all(self) -> None:
        """SIGHUP: settings, then the registry. What cannot be used changes nothing."""
        self._service_manager.reloading()
        try:
            loaded = await self._in_thread(self._reload)
            settings = loaded.settings
            means, cycle = self._means(settings), self._cycle(settings)
        except (OpsError, OSError) as error:
            self.metrics.config_reloaded(False, time.time())
            self._log.error("config.refused", message=str(error))
            await self._fleet.rebuild()
        else:
            ignored = needs_restart(self._settings, settings)
            if ignored:
                self._log.warning("config.needs_restart", settings=ignored)
            logs.configure(settings.log.level, settings.log.format)
            self._warn(settings)
            self._running.loaded = loaded
            taken_in = self._fleet.use(means)
            self._timer.use(cycle, timer_settings(settings))
            self._jobs.use(settings)
            self._runner.limits = _pass_limits(settings)
            if self._alerts is not None:
                self._alerts.use(alert_means(self._repo, settings, self._env, self.metrics.alerts))
            await taken_in  # whoever waits for the reload may count on it with the next pass
            self.metrics.config_reloaded(True, time.time())
            self._log.info("config.reloaded")
        self._service_manager.ready(f"supervising {len(self._fleet.fleet)} loops")

    async def _drain(self, api: HttpApi) -> None:
        """Let running passes and requests of alerts end, then close everything in order."""
        self._view.draining = True
        self._service_manager.stopping()
        self._log.info("daemon.draining", running=self.queue.running)
        self._host.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds), asyncio.TaskGroup() as draining:
                draining.create_task(self.queue.idle())
                draining.create_task(self._timer.drain())
                draining.create_task(self._jobs.drain())
                draining.create_task(self._host.drain())
                if self._alerts is not None:
                    draining.create_task(self._alerts.drain())
        late = await self.tasks.stop(timeout_s=5.0)
        if self._alerts is not None:
            await self._alerts.close()
        await self._client.close()
        await api.stop()
        self._detector.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._timer.close()
        self._jobs.close()
        self._host.close()
        self._log.info(
            "daemon.stopped", abandoned=late + ([f"{self.queue.running} passes"] if self.queue.running else [])
        )


def _pass_limits(settings: Settings) -> PassLimits:
    reconcile = settings.reconcile
    return PassLimits(
        reconcile.deadline_seconds, reconcile.backoff_base_seconds, reconcile.backoff_cap_seconds, reconcile.jitter
    )

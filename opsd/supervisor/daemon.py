"""``opsd run``: every part of the daemon, put together, from start to drain.

Long-lived tasks, all owned by one :class:`TaskSupervisor`: the registry watch, the workers, one follower per loop,
the file watcher, the event-loop lag monitor and the service manager's feeder. SIGHUP reads settings and registry
again; SIGTERM and SIGINT let running passes end and close everything in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from opsd import __version__
from opsd.compose import absolute_repo
from opsd.contract.errors import OpsError
from opsd.fleet.registry import LoopEntry
from opsd.loop.thresholds import Thresholds
from opsd.runtime.watcher import JournalWatcher
from opsd.supervisor import logs
from opsd.supervisor.fleet import Fleet
from opsd.supervisor.follower import LoopFollower
from opsd.supervisor.http_api import ApiLimits, HttpApi
from opsd.supervisor.loop_factory import LoopFactory
from opsd.supervisor.managed_loop import ManagedLoop
from opsd.supervisor.metrics import DaemonMetrics
from opsd.supervisor.notify import ServiceManager
from opsd.supervisor.pass_runner import PassLimits, PassRunner
from opsd.supervisor.registry_source import RegistrySource
from opsd.supervisor.self_check import SelfCheck
from opsd.supervisor.settings import LoadedSettings, Settings
from opsd.supervisor.tasks import Heartbeat, TaskSupervisor
from opsd.supervisor.tokens import api_token
from opsd.supervisor.watchdog import BlockDetector, LoopLagMonitor
from opsd.supervisor.workqueue import Priority, WorkQueue
from opsd.transport.http_client import ClientLimits, ServiceClient

#: Threads beyond the configured ones: passes that hang keep one each until they return.
_SPARE_THREADS = 8


class Daemon:
    """One run of the daemon.

    Args:
        loaded: the settings at the start.
        env: where tokens and the service manager's variables are looked up.
        reload: reads the settings again, for SIGHUP.
    """

    def __init__(self, loaded: LoadedSettings, env: Mapping[str, str], reload: Callable[[], LoadedSettings]) -> None:
        self._settings: Settings = loaded.settings
        self._env = env
        self._reload = reload
        self._repo = absolute_repo(str(loaded.settings.repo))
        self._log = structlog.get_logger("opsd.daemon")
        self.metrics = DaemonMetrics(__version__)
        self.fleet = Fleet()
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
        self._factory = self._make_factory(settings)
        self._thresholds: Thresholds = self._factory.thresholds()
        self._registry = self._make_registry(settings)
        self._runner = PassRunner(self.queue, self.metrics, _pass_limits(settings), self._in_thread)
        self._registry_wanted = asyncio.Event()
        self._rebuild = False
        self._stop = asyncio.Event()
        self._draining = False

    def _make_factory(self, settings: Settings) -> LoopFactory:
        return LoopFactory(
            self._repo, settings, self._env, self._client, self._watcher, self.metrics.count_sprite_request
        )

    def _make_registry(self, settings: Settings) -> RegistrySource:
        file = settings.registry.file
        return RegistrySource(self._repo, None if file is None else str(file), max_loops=settings.limits.max_loops)

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def run(self) -> int:
        """Supervise until told to stop; the exit code.

        Raises:
            OpsError: the registry or a setting cannot be used at the start.
            OSError: the listener's address is taken.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.tasks.spawn("reload", self._reload_all()))
        settings = self._settings
        self._watcher.open()
        await self._load_registry()
        secret = api_token(settings)
        if secret is not None:
            logs.redact.add(secret.get_secret_value())
        self.metrics.before_scrape(self._before_scrape)
        api = HttpApi(
            self.metrics,
            self,
            host=settings.http.host,
            port=settings.http.port,
            token=secret,
            limits=ApiLimits(settings.http.max_body_bytes, settings.http.max_header_bytes, settings.http.max_requests),
        )
        host, port = await api.start()
        self._start_tasks()
        self._log.info("daemon.started", repo=self._repo, loops=len(self.fleet), http=f"http://{host}:{port}/metrics")
        self._service_manager.ready(f"supervising {len(self.fleet)} loops")
        await self._stop.wait()
        await self._drain(api)
        return 0

    def _start_tasks(self) -> None:
        settings = self._settings
        silence_s = settings.watchdog.task_deadline_seconds
        self._detector.start()
        monitor = LoopLagMonitor(
            settings.watchdog.lag_interval_seconds, self.metrics.observe_event_loop_lag, self._detector
        )
        self.tasks.start("event-loop-lag", monitor.run, deadline_s=silence_s)
        self.tasks.start("registry", self._watch_registry, deadline_s=silence_s)
        self.tasks.start("file-watcher", self._watch_files, deadline_s=None)
        for number in range(settings.reconcile.max_parallel):
            self.tasks.start(f"worker-{number}", self._work, deadline_s=settings.reconcile.deadline_seconds + silence_s)
        if self._service_manager.watchdog_period_s is not None:
            self.tasks.start("watchdog", self._feed_watchdog, deadline_s=silence_s)

    async def _work(self, heartbeat: Heartbeat) -> None:
        while True:
            with heartbeat.idle():
                item = await self.queue.get()
            loop = self.fleet.get(item.key)
            if loop is None or self._draining:
                self.queue.done(item.key)
                continue
            await self._runner.run(item, loop)

    async def _watch_files(self, heartbeat: Heartbeat) -> None:
        with heartbeat.idle():
            await self._watcher.run()

    async def _feed_watchdog(self, heartbeat: Heartbeat) -> None:
        period_s = self._service_manager.watchdog_period_s or 1.0
        while True:
            heartbeat.beat()
            if not self.check.problems():
                self._service_manager.alive()
            await asyncio.sleep(period_s)

    async def _watch_registry(self, heartbeat: Heartbeat) -> None:
        while True:
            heartbeat.beat()
            try:
                await self._load_registry()
            except OpsError as error:
                self.metrics.registry_reloaded(False, time.time())
                if self.check.registry_problem != error.message:
                    self._log.error("registry.refused", message=error.message)
                self.check.registry_problem = error.message
            self._registry_wanted.clear()
            try:
                async with asyncio.timeout(self._settings.registry.reload_seconds):
                    await self._registry_wanted.wait()
            except TimeoutError:
                continue

    async def _load_registry(self) -> None:
        """Make the fleet what the registry says now.

        Raises:
            OpsError: it cannot be used; the fleet stays as it is.
        """
        rebuild = self._rebuild
        view = await self._in_thread(lambda: self._registry.read(force=rebuild))
        self._rebuild = False
        self.check.registry_problem = None
        if not view.changed and not rebuild:
            return
        added, removed = self.fleet.apply(view.entries, self._build, rebuild=rebuild)
        for loop in removed:
            self.tasks.forget(f"follower:{loop.name}")
            if self.fleet.get(loop.name) is None:
                self.queue.forget(loop.name)
                self.metrics.loops.forget_loop(loop.name)
        for loop in added:
            self._supervise(loop)
        self.metrics.registry_reloaded(True, time.time())
        if added or removed:
            self._log.info(
                "registry.applied", source=view.source, loops=len(self.fleet), added=len(added), removed=len(removed)
            )

    def _build(self, entry: LoopEntry) -> ManagedLoop | None:
        try:
            self._factory.news(entry)
            loop = self._factory.build(entry, self._thresholds)
        except OpsError as error:
            self.check.unusable[entry.loop_id] = error.message
            self._log.error("loop.unusable", loop=entry.loop_id, message=error.message)
            return None
        self.check.unusable.pop(entry.loop_id, None)
        return loop

    def _supervise(self, loop: ManagedLoop) -> None:
        settings = self._settings
        self.metrics.loops.add_loop(loop.name)
        self.metrics.loops.update(loop.name, loop.sample())
        follower = LoopFollower(
            loop,
            self._factory.news(loop.entry),
            self,
            retry_base_s=settings.observe.stream_retry_base_seconds,
            retry_cap_s=settings.observe.stream_retry_cap_seconds,
            rand=random.random,
        )
        self.tasks.start(f"follower:{loop.name}", follower.run, deadline_s=settings.watchdog.task_deadline_seconds)
        # A large fleet does not start in one gulp.
        spread_s = min(settings.reconcile.resync_seconds, len(self.fleet) / 200) * random.random()  # noqa: S311 - no secret
        self.queue.add(loop.name, Priority.RESYNC, reason="start", not_before=time.monotonic() + spread_s)

    # What followers report.

    def news(self, loop: ManagedLoop) -> None:
        """There may be events behind the loop's cursor."""
        self.queue.add(loop.name, Priority.EVENT, reason="news", not_before=loop.not_before)

    def connected(self, loop: ManagedLoop) -> None:
        """A source of news is being opened."""
        if not loop.is_local:
            self.metrics.count_stream_connect(loop.name)

    def broken(self, loop: ManagedLoop, error: OpsError | OSError, retry_s: float) -> None:
        """A source of news ended."""
        self._log.warning("stream.broken", loop=loop.name, message=str(error), retry_s=round(retry_s, 2))

    # What the HTTP API asks.

    def readiness(self) -> tuple[bool, Sequence[str]]:
        """Whether everything progresses, and why not."""
        problems = self.check.problems()
        if self._draining:
            problems.append("draining")
        return not problems, problems

    def loops(self) -> Sequence[Mapping[str, object]]:
        """Every supervised loop."""
        return [loop.view() for loop in self.fleet]

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """One supervised loop."""
        found = self.fleet.get(loop)
        return None if found is None else found.view()

    def request_reconcile(self, loop: str) -> bool:
        """An operator wants a pass now."""
        if self.fleet.get(loop) is None:
            return False
        self.queue.add(loop, Priority.OPERATOR, reason="operator")
        return True

    def _before_scrape(self) -> None:
        self.metrics.set_queue(self.queue.depth, self.queue.oldest_age_s)
        self.metrics.set_tasks(self.check.tasks_by_state())
        self.metrics.set_ready(self.readiness()[0])

    def _task_event(self, event: str, name: str, error: BaseException | None) -> None:
        self.metrics.count_task_failure(str(event))
        self._log.error("task." + str(event), task=name, exc_info=error)

    def _loop_blocked(self, seconds: float, stack: str) -> None:
        self._log.error("event_loop.blocked", seconds=round(seconds, 1), stack=stack)

    async def _reload_all(self) -> None:
        """SIGHUP: settings, then the registry. What cannot be used changes nothing."""
        self._service_manager.reloading()
        try:
            settings = (await self._in_thread(self._reload)).settings
            factory = self._make_factory(settings)
            thresholds = factory.thresholds()
        except OpsError as error:
            self.metrics.config_reloaded(False, time.time())
            self._log.error("config.refused", message=error.message)
        else:
            fixed = ("repo", "http", "transport")
            ignored = [key for key in fixed if getattr(settings, key) != getattr(self._settings, key)]
            if ignored:
                self._log.warning("config.needs_restart", settings=ignored)
            logs.configure(settings.log.level, settings.log.format)
            self._settings, self._factory, self._thresholds = settings, factory, thresholds
            self._registry = self._make_registry(settings)
            self._runner.limits = _pass_limits(settings)
            self.metrics.config_reloaded(True, time.time())
            self._log.info("config.reloaded")
        self._rebuild = True
        self._registry_wanted.set()
        self._service_manager.ready(f"supervising {len(self.fleet)} loops")

    async def _drain(self, api: HttpApi) -> None:
        """Let running passes end, then close everything in order."""
        self._draining = True
        self._service_manager.stopping()
        self._log.info("daemon.draining", running=self.queue.running)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self.queue.idle()
        late = await self.tasks.stop(timeout_s=5.0)
        await self._client.close()
        await api.stop()
        self._detector.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._log.info(
            "daemon.stopped", abandoned=late + ([f"{self.queue.running} passes"] if self.queue.running else [])
        )


def _pass_limits(settings: Settings) -> PassLimits:
    reconcile = settings.reconcile
    return PassLimits(
        reconcile.deadline_seconds, reconcile.backoff_base_seconds, reconcile.backoff_cap_seconds, reconcile.jitter
    )

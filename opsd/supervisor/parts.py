"""Everything that the daemon is made of, put together by its settings; a reload gives every part the new ones.

Nothing runs yet when the parts are there: :mod:`opsd.supervisor.daemon` starts and ends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import structlog

from opsd import __version__, compose_alerts
from opsd.api.changes import ChangeKind
from opsd.fleet.handoff.execution import acted_on
from opsd.runtime.layout import absolute_repo
from opsd.runtime.watcher import JournalWatcher
from opsd.supervisor.alerts.run import alert_means
from opsd.supervisor.alerts.worker import AlertWorker
from opsd.supervisor.daemon_metrics import DaemonMetrics
from opsd.supervisor.fleet.cycle import CycleRun, FleetCycle
from opsd.supervisor.fleet.means import RollupMaker, fleet_cycle, timer_settings
from opsd.supervisor.fleet.passes import FleetPasses
from opsd.supervisor.fleet.timer import FleetTimer
from opsd.supervisor.http.api_host import DaemonHost
from opsd.supervisor.http.live_view import DaemonView
from opsd.supervisor.jobs.group import JobGroup
from opsd.supervisor.loops.factory import LoopFactory
from opsd.supervisor.loops.pass_runner import PassLimits, PassRunner
from opsd.supervisor.loops.registry_source import RegistrySource
from opsd.supervisor.loops.supervisor import FleetSupervisor, Means
from opsd.supervisor.settings.load import LoadedSettings
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.view import Load, RunningSettings
from opsd.supervisor.tasks.supervisor import TaskSupervisor
from opsd.supervisor.tasks.workqueue import WorkQueue
from opsd.supervisor.vitals.self_check import SelfCheck
from opsd.supervisor.vitals.watchdog import BlockDetector
from opsd.transport.http_client import ClientLimits, ServiceClient

#: Threads beyond the configured ones: passes that hang keep one each until they return.
_SPARE_THREADS = 8


class Renewal(NamedTuple):
    """New settings with what is made of them: they can be used."""

    loaded: LoadedSettings
    means: Means
    cycle: FleetCycle | None


class DaemonParts:
    """The parts of one daemon. Lives on the event loop's thread.

    Args:
        loaded: the settings at the start.
        env: where tokens and programs are looked up.
        look: reads the settings and puts nothing into force.
    """

    def __init__(self, loaded: LoadedSettings, env: Mapping[str, str], look: Load) -> None:
        settings = loaded.settings
        self._env = env
        self._log = structlog.get_logger("opsd.daemon")
        self.repo = absolute_repo(str(settings.repo))
        self.running = RunningSettings(loaded, look)
        self.metrics = DaemonMetrics(__version__)
        self.queue = WorkQueue()
        self.detector = BlockDetector(settings.watchdog.loop_block_seconds, self._loop_blocked)
        self.tasks = TaskSupervisor(self._task_event)
        self.check = SelfCheck(self.tasks, self.detector)
        self.threads = ThreadPoolExecutor(settings.reconcile.worker_threads + _SPARE_THREADS, "opsd-pass")
        self.watcher = JournalWatcher()
        self.client = ServiceClient(
            ClientLimits(
                settings.transport.connect_timeout_seconds,
                settings.transport.total_timeout_seconds,
                settings.limits.max_response_bytes,
            ),
            allow_plaintext_token=settings.transport.allow_plaintext_token,
        )
        self.alerts = self._alert_worker(settings) if settings.alerts.enabled else None
        self.fleet = FleetSupervisor(
            self._means(settings), self.queue, self.tasks, self.metrics, self.check, self.in_thread, self.alerts
        )
        self.runner = PassRunner(
            self.queue,
            self.metrics,
            _pass_limits(settings),
            self.in_thread,
            alerts=self.alerts,
            on_change=self.fleet.tell,
        )
        self.host = DaemonHost(
            self.repo,
            env,
            self.running,
            self.fleet,
            self.in_thread,
            self._check_settings,
            lambda: self._rollup(self.settings),
        )
        self.timer = FleetTimer(None, timer_settings(settings), self.metrics.fleet, on_end=self._fleet_stepped)
        self.jobs = JobGroup(self.repo, settings, self.metrics.jobs, env)
        self.view = DaemonView(self.repo, lambda: self.settings, self.fleet, self.check, self.in_thread)

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.running.current

    def in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run what blocks for moments in a thread of the passes."""
        return asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)

    def step_fleet(self) -> None:
        """Let the fleet's timer run its steps by the settings in force.

        Raises:
            OpsError: the service token cannot be used.
        """
        self.timer.use(self._cycle(self.settings), timer_settings(self.settings))

    def renewal(self, loaded: LoadedSettings) -> Renewal:
        """Try new settings; nothing is changed.

        Raises:
            OpsError: they cannot be used.
        """
        return Renewal(loaded, self._means(loaded.settings), self._cycle(loaded.settings))

    def use(self, renewal: Renewal) -> asyncio.Future[None]:
        """Put new settings into force in every part; done when every pass that begins goes by them."""
        settings = renewal.loaded.settings
        self.running.loaded = renewal.loaded
        taken_in = self.fleet.use(renewal.means)
        self.timer.use(renewal.cycle, timer_settings(settings))
        self.jobs.use(settings)
        self.runner.limits = _pass_limits(settings)
        if self.alerts is not None:
            self.alerts.use(alert_means(self.repo, settings, self._env, self.metrics.alerts))
        return taken_in

    def before_scrape(self) -> None:
        """Bring the metrics up to now that nobody keeps up to date."""
        self.metrics.set_queue(self.queue.depth, self.queue.oldest_age_s)
        self.metrics.set_tasks(self.check.tasks_by_state())
        self.metrics.set_ready(self.view.readiness()[0])
        self.metrics.set_unusable(len(self.check.unusable))
        if self.alerts is not None:
            self.alerts.before_scrape()
        self.metrics.set_review_expired(self.check.review_expired)

    def _means(self, settings: Settings) -> Means:
        factory = LoopFactory(self.repo, settings, self._env, self.client, self.watcher, self._sprite_request)
        file = settings.registry.file
        registry = RegistrySource(self.repo, None if file is None else str(file), max_loops=settings.limits.max_loops)
        return Means(settings, factory, factory.judging(), registry)

    def _check_settings(self, settings: Settings) -> None:
        """Try what a reload makes of them, the registry included.

        Raises:
            OpsError: they cannot be used.
        """
        self._means(settings).registry.read()

    def _cycle(self, settings: Settings) -> FleetCycle | None:
        return fleet_cycle(self.repo, self._env, settings, self._rollup(settings))

    def _rollup(self, settings: Settings) -> RollupMaker:
        passes = FleetPasses(self.fleet, lambda: self.check.unusable, self.queue)
        loop = asyncio.get_running_loop()
        return RollupMaker(self.repo, self._env, settings, passes, loop, lambda: self.timer.stopping)

    def _alert_worker(self, settings: Settings) -> AlertWorker:
        return AlertWorker(
            alert_means(self.repo, settings, self._env, self.metrics.alerts),
            compose_alerts.open_shared_sender(),
            self.metrics.alerts,
            lambda loop: self.fleet.alerts_changed(loop),
            threads=settings.alerts.threads,
        )

    def _sprite_request(self, loop: str, kind: str) -> None:
        self.fleet.sprite_request(loop, kind)

    def _fleet_stepped(self, run: CycleRun) -> None:
        """Whoever follows the fleet's changes hears that its steps were run; who was acted on is looked at."""
        for loop in acted_on({} if run.handoff is None else run.handoff):
            self.fleet.request_reconcile(loop)
        failed = None if run.failure is None else run.failure[0].value
        steps = [step.value for step in run.durations]
        self.host.changes.publish(ChangeKind.FLEET, {"traceId": run.trace_id, "steps": steps, "failedStep": failed})

    def _task_event(self, event: str, name: str, error: BaseException | None) -> None:
        self.metrics.count_task_failure(str(event))
        self._log.error("task." + str(event), task=name, exc_info=error)

    def _loop_blocked(self, seconds: float, stack: str) -> None:
        self._log.error("event_loop.blocked", seconds=round(seconds, 1), stack=stack)
        self.metrics.count_task_failure("blocked")


def _pass_limits(settings: Settings) -> PassLimits:
    reconcile = settings.reconcile
    return PassLimits(
        reconcile.deadline_seconds, reconcile.backoff_base_seconds, reconcile.backoff_cap_seconds, reconcile.jitter
    )

"""Keeps the supervised loops what the registry says: starts and ends their followers, and answers for them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from opsd.api.changes import ChangeFeed
from opsd.contract.errors import OpsError
from opsd.fleet.registry import LoopEntry
from opsd.runtime.threads import InThread
from opsd.supervisor.alerts.worker import AlertWorker
from opsd.supervisor.loops.factory import Judging, LoopFactory
from opsd.supervisor.loops.follower import LoopFollower
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.observation import Follow
from opsd.supervisor.loops.registry_source import RegistrySource
from opsd.supervisor.loops.supervised import Fleet
from opsd.supervisor.metrics.supervision import SupervisionMetrics
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.tasks.supervisor import Heartbeat, TaskSupervisor
from opsd.supervisor.tasks.workqueue import Priority, WorkQueue
from opsd.supervisor.vitals.self_check import SelfCheck

#: First passes of a large fleet are spread so that about so many begin per second.
_FIRST_PASSES_PER_S = 200


@dataclass(frozen=True, slots=True)
class Means:
    """What loops are built from: replaced as a whole by a reload."""

    settings: Settings
    factory: LoopFactory
    judging: Judging
    registry: RegistrySource


class FleetSupervisor:
    """Owns the fleet. Lives on the event loop's thread.

    Args:
        means: the settings and what follows from them.
        queue: where passes are asked for.
        tasks: owns the followers.
        alerts: delivers what the loops escalate; None where alerts are off.
        changes: where changes of loops are told.
    """

    def __init__(
        self,
        means: Means,
        queue: WorkQueue,
        tasks: TaskSupervisor,
        metrics: SupervisionMetrics,
        check: SelfCheck,
        in_thread: InThread,
        alerts: AlertWorker | None = None,
        changes: ChangeFeed | None = None,
    ) -> None:
        self.changes = ChangeFeed() if changes is None else changes
        self.fleet = Fleet()
        self._means = means
        self._queue = queue
        self._tasks = tasks
        self._metrics = metrics
        self._check = check
        self._in_thread = in_thread
        self._alerts = alerts
        self._wanted = asyncio.Event()
        self._rebuild = False
        #: Who waits for a look at the registry that has not begun.
        self._waiting: list[asyncio.Future[None]] = []
        self._log = structlog.get_logger("opsd.fleet")

    def use(self, means: Means) -> asyncio.Future[None]:
        """Build every loop anew from ``means``; done as :meth:`rebuild` is."""
        self._means = means
        return self.rebuild()

    def rebuild(self) -> asyncio.Future[None]:
        """Read the registry again now and build every loop anew, with what is known of it kept.

        Done when every pass that begins from now on is one of the new loops; also where the registry cannot be used,
        and the loops stay as they are.
        """
        looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(looked)
        self._rebuild = True
        self._wanted.set()
        return looked

    def look_now(self) -> None:
        """Look at the registry now, not when it is time to."""
        self._wanted.set()

    async def watch(self, heartbeat: Heartbeat) -> None:
        """Follow the registry for ever. One that cannot be used changes nothing, and is told once."""
        while True:
            heartbeat.beat()
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self.refresh()
            except OpsError as error:
                self._metrics.registry_reloaded(False, time.time())
                if self._check.registry_problem != error.message:
                    self._log.error("registry.refused", message=error.message)
                self._check.registry_problem = error.message
            finally:
                for looked in waiting:
                    if not looked.done():
                        looked.set_result(None)
            self._look_at_review()
            with heartbeat.idle(), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._means.settings.registry.reload_seconds):
                    await self._wanted.wait()

    def _look_at_review(self) -> None:
        """The deadline passes without any change of the file, and also while the file is refused."""
        expired = self._means.registry.review_expired()
        if expired and not self._check.review_expired:
            self._log.error(
                "registry.review_expired", message="the policy's review deadline has passed: autonomy is off"
            )
        self._check.review_expired = expired
        self._check.governance = self._means.registry.governance_warnings()

    async def refresh(self) -> None:
        """Make the fleet what the registry says now.

        Raises:
            OpsError: it cannot be used; the fleet stays as it is.
        """
        # Taken before the look: a rebuild that is asked for meanwhile is for the next one.
        rebuild, self._rebuild, registry = self._rebuild, False, self._means.registry
        try:
            view = await self._in_thread(lambda: registry.read(force=rebuild))
            repaired = self._check.registry_problem is not None
            self._check.registry_problem = None
            if not view.changed and not rebuild and not repaired:
                return
            added, removed = self.fleet.apply(view.entries, self._build, rebuild=rebuild)
        except BaseException:
            self._rebuild = self._rebuild or rebuild
            raise
        for loop in removed:
            self._tasks.forget(f"follower:{loop.name}")
            if self.fleet.get(loop.name) is None:
                self._queue.forget(loop.name)
                self._metrics.loops.forget_loop(loop.name)
                self.changes.loop_gone(loop.name)
                if self._alerts is not None:
                    self._alerts.forget(loop.name)
        for loop in added:
            self._supervise(loop)
        named = {entry.loop_id for entry in view.entries}
        self._check.unusable = {name: why for name, why in self._check.unusable.items() if name in named}
        self._metrics.registry_reloaded(True, time.time())
        if view.orphaned:
            self._log.warning(
                "registry.missing",
                message="no fleet registry, though a fleet was reconciled here: every local loop is supervised",
            )
        if added or removed or repaired:
            self._log.info(
                "registry.applied", source=view.source, loops=len(self.fleet), added=len(added), removed=len(removed)
            )

    def _build(self, entry: LoopEntry) -> ManagedLoop | None:
        try:
            loop = self._means.factory.build(entry, self._means.judging)
        except OpsError as error:
            self._check.unusable[entry.loop_id] = error.message
            self._log.error("loop.unusable", loop=entry.loop_id, message=error.message)
            return None
        self._check.unusable.pop(entry.loop_id, None)
        return loop

    def _supervise(self, loop: ManagedLoop) -> None:
        settings = self._means.settings
        self._metrics.loops.add_loop(loop.name)
        self._metrics.loops.update(loop.name, loop.sample())
        self.tell(loop)
        if self._alerts is not None:
            self._alerts.add(loop.name)
        follower = LoopFollower(
            loop,
            self._means.factory.news(loop.entry),
            self,
            retry_base_s=settings.observe.stream_retry_base_seconds,
            retry_cap_s=settings.observe.stream_retry_cap_seconds,
            rand=random.random,
        )
        # A stream may rightly be silent for as long as its connection may.
        silence_s = max(
            settings.watchdog.task_deadline_seconds, 1.5 * settings.observe.stream_keepalive_timeout_seconds
        )
        self._tasks.start(f"follower:{loop.name}", follower.run, deadline_s=silence_s)
        spread_s = min(settings.reconcile.resync_seconds, len(self.fleet) / _FIRST_PASSES_PER_S)
        due = time.monotonic() + spread_s * random.random()  # noqa: S311 - no secret
        self._queue.add(loop.name, Priority.RESYNC, reason="start", not_before=due)

    def alerts_changed(self, loop: str) -> None:
        """How a loop's alerts stand has changed."""
        found = self.fleet.get(loop)
        if found is not None and self._alerts is not None:
            found.knowledge.alerts = self._alerts.standing(loop)
            self._metrics.loops.update(loop, found.sample())
            self.tell(found)

    def tell(self, loop: ManagedLoop) -> None:
        """Whoever follows the fleet's changes hears how the loop stands now; of one that has left, nothing more."""
        if self.fleet.get(loop.name) is not None:
            self.changes.loop_changed(loop.name, loop.view())

    # What followers report.

    def news(self, loop: ManagedLoop) -> None:
        """There may be events behind the loop's cursor."""
        self._queue.add(loop.name, Priority.EVENT, reason="news", not_before=loop.not_before)

    def connected(self, loop: ManagedLoop) -> None:
        """A source of news is being opened."""
        if not loop.is_local:
            self._metrics.count_stream_connect(loop.name)

    def broken(self, loop: ManagedLoop, error: OpsError | OSError, retry_s: float) -> None:
        """A source of news ended."""
        self._log.warning("stream.broken", loop=loop.name, message=str(error), retry_s=round(retry_s, 2))

    def sprite_request(self, loop: str, kind: str) -> None:
        """A request goes to the loop's sprite; it may wake one whose run is not active."""
        self._metrics.count_sprite_request(loop, kind)
        found = self.fleet.get(loop)
        if found is not None and found.plan.follow is Follow.IDLE:
            self._metrics.count_wakeup(loop)

    # What the HTTP API asks.

    def loops(self) -> Sequence[Mapping[str, object]]:
        """Every supervised loop."""
        return [loop.view() for loop in self.fleet]

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """One supervised loop."""
        found = self.fleet.get(loop)
        if found is None:
            return None
        view = found.view()
        if self._alerts is not None and found.knowledge.alerts is not None:
            view["alerts"] = {**found.knowledge.alerts.view(), "sinks": list(self._alerts.watch.seen.sinks)}
        return view

    def without_outcome(self) -> int:
        """Loops of which nothing can be written down: the last pass could not use the manager's files."""
        return sum(loop.knowledge.lacks_files for loop in self.fleet)

    def request_reconcile(self, loop: str) -> bool:
        """An operator wants a pass now."""
        if self.fleet.get(loop) is None:
            return False
        self._queue.add(loop, Priority.OPERATOR, reason="operator")
        return True

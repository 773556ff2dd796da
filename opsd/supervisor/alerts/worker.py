"""The daemon's delivery worker: what loops escalate goes out while their passes go on (contract 50, R3, R7 to R10).

It is the dispatcher of the one-shot command, driven from here: the same run, the same steps, the same journal. A run
is asked for by a pass that escalated, by a pass over a loop with open incidents (a recovery has to be seen), by a timer
of the run before (retries, repeats, receivers that forget), by a change of the files that decide, and by a sweep that
finds what other processes left. One entry per loop waits; so many loops are worked on at once; news for one that is
under way pokes its drive.

Requests wait on the event loop and file steps in threads of their own: a sink that hangs holds up its own lane of its
own loop, and neither a pass nor another sink. A run that fails is told, counted, and tried again with growing pauses.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from opsd.alerts.run.drive import Drive, Sender, to_its_end
from opsd.contract.errors import LockTimeoutError, OpsError
from opsd.contract.ids import new_trace_id
from opsd.supervisor.alerts.metrics import AlertMetrics
from opsd.supervisor.alerts.run import OpenRun, RunMeans
from opsd.supervisor.alerts.schedule import (
    BUSY_PAUSE_S,
    SHOW_INTERVAL_S,
    LoopAlerts,
    due_after_failure,
    due_after_pass,
    due_after_run,
)
from opsd.supervisor.alerts.watch import AlertWatch
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.tasks.supervisor import Heartbeat, TaskSupervisor
from opsd.supervisor.tasks.workqueue import Priority, WorkQueue

_T = TypeVar("_T")
#: Messages of one loop that are remembered as told; more than that is told again.
_MAX_TOLD = 16


@dataclass(slots=True)
class _Driven:
    """A drive under way.

    Args:
        outdated: the files that decide have changed since it began.
        later: a poke that is to come.
        shown_at: when how its loop stands was last shown, by the monotonic clock.
    """

    drive: Drive
    outdated: bool = False
    later: asyncio.TimerHandle | None = None
    shown_at: float = 0.0

    def poke(self) -> None:
        """There may be something for it."""
        self.later = None
        self.drive.poke()


class AlertWorker:
    """Delivers the alerts of all loops. Lives on the event loop's thread.

    Args:
        sender: the one client of all sinks.
        standing_changed: called with a loop's id when how its alerts stand may have changed.
    """

    def __init__(
        self,
        means: RunMeans,
        sender: Sender,
        metrics: AlertMetrics,
        standing_changed: Callable[[str], None],
        *,
        threads: int,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.means = means
        self._sender = sender
        self._metrics = metrics
        self._standing_changed = standing_changed
        self._threads = ThreadPoolExecutor(threads, "opsd-alert")
        self._monotonic = monotonic
        self._clock = clock
        self._queue = WorkQueue(clock=monotonic)
        self.loops: dict[str, LoopAlerts] = {}
        self._drives: dict[str, _Driven] = {}
        self._draining = False
        self._log = structlog.get_logger("opsd.alerts")
        #: The files that all loops share, and what other processes left.
        self.watch = AlertWatch(self, metrics, self._in_thread, clock, monotonic)

    # What is asked of it.

    def use(self, means: RunMeans) -> None:
        """Runs that begin from now on work with ``means``."""
        self.means = means

    def add(self, loop: str) -> None:
        """A loop is supervised; what an earlier life left of it is found by the next look."""
        self.loops.setdefault(loop, LoopAlerts())

    def forget(self, loop: str) -> None:
        """A loop is no longer supervised. What is owed of it stays in its journal."""
        self.loops.pop(loop, None)
        self._queue.forget(loop)

    def passed(self, loop: str, *, escalated: bool, evidence: object = None) -> None:
        """A pass over a loop has ended; ``evidence``: equal for passes that show the same recoveries."""
        known = self.loops.get(loop)
        if known is None:
            return
        driven, now = self._drives.get(loop), self._monotonic()
        known.note(evidence, now=now)
        due = due_after_pass(known, escalated=escalated, now=now, under_way=driven is not None)
        if due is None:
            return
        if driven is None:
            self._queue.add(loop, Priority.EVENT, reason="escalation" if escalated else "pass", not_before=due)
        elif due <= now:
            known.looked_at = now
            driven.drive.poke()
        elif driven.later is None:
            driven.later = asyncio.get_running_loop().call_later(due - now, driven.poke)

    def standing(self, loop: str) -> LoopAlerts | None:
        """What is known of a loop's alerts; None when it is not supervised."""
        return self.loops.get(loop)

    def wake(self, loop: str, *, reason: str, at_once: bool = False) -> None:
        """Somebody else changed something that may concern a loop; ``at_once``: however often its runs have failed."""
        known = self.loops.get(loop)
        if known is None:
            return
        driven = self._drives.get(loop)
        if driven is not None:
            driven.outdated = driven.outdated or at_once
            driven.drive.poke()
            return
        if at_once:
            known.not_before = 0.0
        due = max(self._monotonic(), known.not_before)
        self._queue.add(loop, Priority.EVENT if at_once else Priority.RESYNC, reason=reason, not_before=due)

    def before_scrape(self) -> None:
        """Set what changes all the time."""
        self._metrics.set_runs(len(self._drives), sum(self._queue.depth.values()))

    # Its tasks.

    def start(self, tasks: TaskSupervisor, settings: Settings) -> None:
        """Start the tasks; ``tasks`` owns them."""
        silence_s = settings.watchdog.task_deadline_seconds
        patience_s = silence_s + settings.alerts.budget_seconds  # a drive takes a step in every budget, whatever hangs
        for number in range(settings.alerts.max_parallel):
            tasks.start(f"alerts-{number}", self._work, deadline_s=patience_s)
        look_s, sweep_s = settings.alerts.look_seconds, settings.alerts.sweep_seconds

        async def watch(heartbeat: Heartbeat) -> None:
            await self.watch.run(heartbeat, look_s=look_s, sweep_s=sweep_s)

        tasks.start("alerts-watch", watch, deadline_s=look_s + silence_s)

    async def _work(self, heartbeat: Heartbeat) -> None:
        while True:
            with heartbeat.idle():
                item = await self._queue.get()
            try:
                known = self.loops.get(item.key)
                if known is not None and not self._draining:
                    await self._run(item.key, known, heartbeat)
            finally:
                self._queue.done(item.key)

    async def _run(self, loop: str, known: LoopAlerts, heartbeat: Heartbeat) -> None:
        """One run over a loop's alerts. Never raises for a reason that lies in the loop."""
        trace_id = new_trace_id()
        with structlog.contextvars.bound_contextvars(loop=loop):
            try:
                await self._deliver(loop, known, trace_id, heartbeat)
            except LockTimeoutError:
                self._log.debug("alert.busy")
                self._queue.add(loop, Priority.EVENT, reason="busy", not_before=self._monotonic() + BUSY_PAUSE_S)
                return
            except OpsError as error:
                await self._failed(loop, known, trace_id, error.code, error.message)
            except OSError as error:
                await self._failed(loop, known, trace_id, "io_error", error.strerror or type(error).__name__)
            except Exception:  # noqa: BLE001 - logged whole; one loop's trouble ends no worker
                self._log.exception("alert.dispatch_crashed")
                await self._failed(loop, known, trace_id, "internal_error", "unexpected error, see the daemon's log")
            else:
                known.failures, known.not_before, known.problem = 0, 0.0, None
                known.told.clear()
            known.looked_at = self._monotonic()
            self._standing_changed(loop)

    async def _deliver(self, loop: str, known: LoopAlerts, trace_id: str, heartbeat: Heartbeat) -> None:
        def in_thread(work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
            heartbeat.beat()
            now = self._monotonic()
            if driven.outdated:
                driven.outdated = False
                return self._in_thread(opened.renewed, self.means, work, *arguments)
            if now - driven.shown_at < SHOW_INTERVAL_S:
                return self._in_thread(work, *arguments)
            driven.shown_at = now
            running = self._in_thread(opened.observed, known.standing, work, *arguments)
            running.add_done_callback(lambda _done: self._show(loop, known, opened))
            return running

        opened: OpenRun = await self._hop(self.means.prepare, loop, trace_id)
        drive = Drive(opened.run, self._sender, in_thread)
        driven = self._drives[loop] = _Driven(drive, shown_at=self._monotonic())
        try:
            await self._hop(opened.begin)
            await drive.drive()
            known.standing = await self._hop(opened.end, known.standing)
        finally:
            del self._drives[loop]
            if driven.later is not None:
                driven.later.cancel()
                drive.poke()  # the next run sees to it
            opened.release()
        # No await since the drive was last to be found: whoever comes later asks for a run of their own.
        if drive.has_news:
            self._queue.add(loop, Priority.EVENT, reason="news")
        due = due_after_run(known.standing, epoch=self._clock(), now=self._monotonic())
        if due is not None:
            self._queue.add(loop, Priority.RESYNC, reason="timer", not_before=due)

    def _show(self, loop: str, known: LoopAlerts, opened: OpenRun) -> None:
        """How the loop of a run under way stands."""
        if opened.standing is not None and loop in self._drives:
            known.standing = opened.standing
            self._standing_changed(loop)

    async def _failed(self, loop: str, known: LoopAlerts, trace_id: str, code: str, message: str) -> None:
        """Tell it, once for each message, and try again later."""
        known.failures += 1
        known.problem = message
        self._metrics.count_failure(code)
        known.not_before = due_after_failure(known.failures, now=self._monotonic(), rand=random.random())  # noqa: S311
        self._queue.add(loop, Priority.RESYNC, reason="retry", not_before=known.not_before)
        if message in known.told:
            return
        if len(known.told) >= _MAX_TOLD:
            known.told.clear()
        known.told.add(message)
        self._log.error("alert.dispatch_failed", code=code, message=message, failures_in_a_row=known.failures)
        try:
            await self._hop(self.means.tell_failure, loop, trace_id, message)
        except (OpsError, OSError) as error:
            self._log.error("alert.row_lost", message=str(error))

    # Threads, and the end.

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _hop(self, work: Callable[..., _T], *arguments: Any) -> _T:
        result: _T = await to_its_end(self._in_thread(work, *arguments))
        return result

    async def drain(self) -> None:
        """Begin nothing more, and return when every request that is under way has ended and is written down."""
        self._draining = True
        while self._queue.running:
            for driven in self._drives.values():
                driven.drive.wind_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._queue.idle()

    async def close(self) -> None:
        """After its tasks have ended: close connections and threads."""
        await self._sender.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

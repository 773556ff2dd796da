"""The fleet's steps as one supervised task: when a run begins, and how long its steps may take.

A run holds a thread that cannot be stopped. A step beyond its deadline is told at once and may start no further
dispatch; the next run waits until the thread is back, and the task counts as hung meanwhile, so that everybody sees
it. Lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from opsd.supervisor.fleet.cycle import CycleRun, FleetCycle, Step, halted_by
from opsd.supervisor.fleet.metrics import FleetMetrics
from opsd.supervisor.fleet.news import FleetNews
from opsd.supervisor.tasks.supervisor import Heartbeat

#: Between two looks at how long the current step has taken, in seconds.
_LOOK_S = 0.2
#: Waits are moved by this share at random, so that several managers do not work in step.
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """Seconds: between runs, and what a step may take; ``execute_deadline_s`` is that of the step that dispatches."""

    interval_s: float
    step_deadline_s: float
    execute_deadline_s: float

    def deadline_s(self, step: Step) -> float:
        """The deadline of one step."""
        return self.execute_deadline_s if step is Step.EXECUTE else self.step_deadline_s


class FleetTimer:
    """Runs the cycle.

    Args:
        cycle: what runs; None while there is nothing to run.
        settings: how often and how long.
        on_end: told of every run that has ended.
    """

    def __init__(
        self,
        cycle: FleetCycle | None,
        settings: TimerSettings,
        metrics: FleetMetrics,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
        on_end: Callable[[CycleRun], None] = lambda _run: None,
    ) -> None:
        self._on_end = on_end
        self._cycle = cycle
        self._settings = settings
        self._metrics = metrics
        self._monotonic = monotonic
        self._rand = rand
        self._thread = ThreadPoolExecutor(1, "opsd-fleet")
        self._running: asyncio.Future[None] | None = None
        self._run: CycleRun | None = None
        self._stopping = False
        self._news = FleetNews()
        self._log = structlog.get_logger("opsd.fleet")

    def use(self, cycle: FleetCycle | None, settings: TimerSettings) -> None:
        """Work with these from the next run on."""
        self._cycle, self._settings = cycle, settings

    @property
    def stopping(self) -> bool:
        """The daemon ends."""
        return self._stopping

    async def run(self, heartbeat: Heartbeat) -> None:
        """For ever: wait, run."""
        while True:
            if self._running is not None:  # of a former life of this task
                await self._watch(heartbeat)
            with heartbeat.idle():
                await asyncio.sleep(self._settings.interval_s * (1 + _JITTER * (self._rand() - 0.5)))
            if self._cycle is None or self._stopping:
                continue
            await self._begin(self._cycle, heartbeat)

    async def _begin(self, cycle: FleetCycle, heartbeat: Heartbeat) -> None:
        run = self._run = CycleRun(step_began=self._monotonic())
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, cycle.run, run)
        await self._watch(heartbeat)

    async def _watch(self, heartbeat: Heartbeat) -> None:
        """Until the run has ended; raises what it raised. There is progress while no step is late."""
        running, run = self._running, self._run
        if running is None or run is None:
            return
        late: set[Step] = set()
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK_S)
            step, limit_s = run.step, self._settings.deadline_s(run.step)
            if self._monotonic() - run.step_began <= limit_s:
                heartbeat.beat()
            elif not running.done() and step not in late:
                late.add(step)
                run.halt = run.halt or halted_by(stopping=False)
                self._metrics.step_failed(step)
                self._log.error("fleet_run.step_late", step=step.value, deadline_s=limit_s, trace=run.trace_id)
        self._running = self._run = None
        try:
            running.result()
        except Exception:
            self._metrics.step_failed(run.step)
            raise  # the supervisor of tasks tells it
        self._metrics.ended(run)
        self._on_end(run)
        self._news.tell(run)

    async def drain(self) -> None:
        """No further dispatch, and the end of what runs."""
        self._stopping = True
        run, running = self._run, self._running
        if run is not None:
            run.halt = halted_by(stopping=True)
        if running is not None:
            await asyncio.wait([running])

    def close(self) -> None:
        """Give the thread back, as soon as it comes back: an action that was begun is never cut off."""
        run, running = self._run, self._running
        if run is not None and running is not None and not running.done():
            self._log.warning(
                "fleet_run.not_ended",
                step=run.step.value,
                trace=run.trace_id,
                message="the process ends when this step has; it starts nothing more",
            )
        self._thread.shutdown(wait=False, cancel_futures=True)

"""Running one pass of one loop for the work queue: deadline, outcome, what is shown of it, and when it is due again.

One failing, slow or hostile loop costs one worker at most for its deadline: an asynchronous pass is cancelled, and a
pass that holds a thread keeps only its own key until the thread comes back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from opsd.contract.errors import OpsError
from opsd.contract.ids import new_trace_id
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get
from opsd.loop.outcome import Outcome
from opsd.runtime.threads import InThread
from opsd.supervisor.alerts.worker import AlertWorker
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.metrics.supervision import SupervisionMetrics
from opsd.supervisor.tasks.backoff import next_delay, resync_delay
from opsd.supervisor.tasks.heartbeat import Heartbeat
from opsd.supervisor.tasks.workqueue import Priority, WorkItem, WorkQueue

#: Passes of one loop are at least this far apart, however fast its news come; in seconds.
MIN_PASS_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Seconds: one pass's deadline, back-off of a failing loop; ``jitter`` as a share of a period."""

    deadline_s: float
    backoff_base_s: float
    backoff_cap_s: float
    jitter: float


class PassRunner:
    """Runs passes and puts each loop back into the queue. Lives on the event loop's thread.

    ``on_change`` is told of every loop whose pass has ended.
    """

    def __init__(
        self,
        queue: WorkQueue,
        metrics: SupervisionMetrics,
        limits: PassLimits,
        in_thread: InThread,
        *,
        alerts: AlertWorker | None = None,
        on_change: Callable[[ManagedLoop], None] = lambda _loop: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.limits = limits
        self._queue = queue
        self._metrics = metrics
        self._in_thread = in_thread
        self._alerts = alerts
        self._on_change = on_change
        self._clock = clock
        self._monotonic = monotonic
        self._rand = rand
        self._log = structlog.get_logger("opsd.pass")

    async def work(self, heartbeat: Heartbeat, *, wanted: Callable[[str], ManagedLoop | None]) -> None:
        """Run passes for ever, one after the other, as the queue gives them out; each may last for its deadline.

        Args:
            wanted: the loop of a key; None where no pass is to be run over it any more.
        """
        while True:
            with heartbeat.idle():
                item = await self._queue.get()
            heartbeat.grant(self.limits.deadline_s)  # by the limits of now: a reload may have changed them
            loop = wanted(item.key)
            if loop is None:
                self._queue.done(item.key)
            else:
                await self.run(item, loop)

    async def run(self, item: WorkItem, loop: ManagedLoop) -> None:
        """One pass for ``item``, which is given back to the queue. Never raises for a reason that lies in the loop."""
        trace_id = new_trace_id()
        started = self._monotonic()
        try:
            with structlog.contextvars.bound_contextvars(loop=loop.name, trace=trace_id):
                try:
                    outcome = await self._within_deadline(loop, trace_id)
                except TimeoutError:
                    self._failed(
                        loop, "deadline_exceeded", f"no result within {self.limits.deadline_s:g} s", trace_id, started
                    )
                except OpsError as error:
                    self._failed(loop, error.code, error.message, trace_id, started)
                except OSError as error:
                    self._failed(loop, "io_error", error.strerror or type(error).__name__, trace_id, started)
                except Exception:  # noqa: BLE001 - logged whole; one loop's trouble ends no worker
                    self._log.exception("pass.crashed")
                    self._failed(loop, "internal_error", "unexpected error, see the log", trace_id, started)
                else:
                    self._concluded(loop, outcome, trace_id, started)
            self._on_change(loop)
        finally:  # also where the worker is ended in the middle of it: no loop is lost with a worker
            if not loop.stuck:
                self._queue.done(item.key)
            self._schedule_next(loop)

    async def _within_deadline(self, loop: ManagedLoop, trace_id: str) -> Outcome:
        running = loop.run_pass(trace_id, self._in_thread)
        async with asyncio.timeout(self.limits.deadline_s):
            if not isinstance(running, asyncio.Future):
                outcome: Outcome = await running
                return outcome
            try:
                outcome = await asyncio.shield(running)
            except asyncio.CancelledError:
                # The thread cannot be stopped. The loop's key stays taken until it returns.
                loop.stuck = True
                running.add_done_callback(lambda _future: self._thread_returned(loop))
                raise
            return outcome

    def _thread_returned(self, loop: ManagedLoop) -> None:
        loop.stuck = False
        self._queue.done(loop.name)
        self._log.warning("pass.thread_returned", loop=loop.name)

    def _concluded(self, loop: ManagedLoop, outcome: Outcome, trace_id: str, started: float) -> None:
        now = self._clock()
        duration_s = self._monotonic() - started
        first = loop.knowledge.last_success_at is None
        before = loop.lifecycle_state
        loop.learn(outcome, trace_id=trace_id, now=now, duration_s=duration_s)
        code = None if outcome.failure is None else str(outcome.failure.code)
        metrics = self._metrics
        metrics.observe_reconcile(duration_s, code is None, code)
        metrics.count_events(loop.name, outcome.events_ingested)
        for row in outcome.escalations:
            metrics.count_escalation(loop.name, row["category"])
        metrics.loops.update(loop.name, loop.sample())
        if self._alerts is not None:
            self._alerts.passed(loop.name, escalated=bool(outcome.escalations), evidence=loop.recovery_evidence)
        if outcome.events_ingested and code is None and not first:
            stamp = parse_epoch(get(outcome.state, "evidence", "lastEventEnvelope", "event", "timestamp"))
            if stamp is not None:
                metrics.observe_event_latency(max(0.0, now - stamp))
        self._tell(loop, outcome, duration_s, before)

    def _tell(self, loop: ManagedLoop, outcome: Outcome, duration_s: float, before: str | None) -> None:
        """One line per thing that happened: a routine pass without news is only worth a debug line."""
        if outcome.failure is not None:
            self._log.warning(
                "pass.ingest_failed",
                code=str(outcome.failure.code),
                message=outcome.failure.message,
                failures_in_a_row=loop.knowledge.failures_in_a_row,
                health=outcome.health["status"],
            )
        elif outcome.events_ingested or loop.lifecycle_state != before:
            self._log.info(
                "pass.finished",
                events=outcome.events_ingested,
                state=loop.lifecycle_state,
                health=outcome.health["status"],
                duration_s=round(duration_s, 4),
            )
        else:
            self._log.debug("pass.finished", events=0, health=outcome.health["status"])
        for row in outcome.escalations:
            self._log.warning(
                "escalation.raised", category=row["category"], id=row["escalationId"], reasons=row.get("reasonCodes")
            )
        for name, fields in outcome.notes:
            self._log.warning(name, **fields)
        if outcome.error is not None:
            self._log.error("pass.manager_file_damaged", message=outcome.error)

    def _failed(self, loop: ManagedLoop, code: str, message: str, trace_id: str, started: float) -> None:
        """The pass has no outcome: nothing could be judged or written."""
        duration_s = self._monotonic() - started
        loop.learn_error(code, message, now=self._clock(), trace_id=trace_id, duration_s=duration_s)
        self._metrics.observe_reconcile(duration_s, False, code)
        self._metrics.loops.update(loop.name, loop.sample())
        self._log.error("pass.failed", code=code, message=message, failures_in_a_row=loop.knowledge.failures_in_a_row)

    def _schedule_next(self, loop: ManagedLoop) -> None:
        """The routine resync, or the next try of a loop that fails."""
        known, now = loop.knowledge, self._monotonic()
        if known.failures_in_a_row:
            delay_s = next_delay(
                known.failures_in_a_row,
                base_s=self.limits.backoff_base_s,
                cap_s=self.limits.backoff_cap_s,
                jitter=self.limits.jitter,
                rand=self._rand(),
            )
            loop.not_before = now + delay_s
        else:
            delay_s = resync_delay(loop.plan.resync_s, self.limits.jitter, self._rand())
            loop.not_before = now + MIN_PASS_INTERVAL_S
            if loop.has_more_events:
                self._queue.add(loop.name, Priority.EVENT, reason="more_events")
        self._queue.add(loop.name, Priority.RESYNC, reason="resync", not_before=now + delay_s)

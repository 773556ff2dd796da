"""The shell around :func:`opsd.loop.evaluate.evaluate`: lock, load, observe, evaluate, commit, dispatch.

The blocking and the asynchronous form share everything but the observation. A pass holds the loop's lock from the
first read of its memory to the last write, one-shot command and daemon alike (contract 20, weakness 1).
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import first_present, is_digits, text
from opsd.loop import health as health_module
from opsd.loop.evaluate import evaluate, tuned_outcome
from opsd.loop.health import Judge
from opsd.loop.outcome import Outcome, PassOrder, PassSettings, PassTime
from opsd.loop.records import cursor_offset
from opsd.loop.tuning import Tuner
from opsd.storage.model import Document, LoopMemory
from opsd.storage.store import LoopStore
from opsd.transport.base import AsyncTransport, BlockingTransport, Observation, ObservationQuery

if TYPE_CHECKING:  # a one-shot pass over files never imports asyncio
    from asyncio import Future


class AlertDispatcher(Protocol):
    """Delivers what a pass escalated. Its result never changes the pass (contract 20, 4.12)."""

    def dispatch(self, *, trace_id: str) -> None:
        """Deliver escalation rows that were not delivered yet."""
        ...


@dataclass(slots=True)
class Pass:
    """A pass that has begun: the lock is held and the memory loaded."""

    held: int
    memory: LoopMemory
    query: ObservationQuery
    trace_id: str
    started_at: float
    started_monotonic: float


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Runs passes of one loop.

    Args:
        store, settings: the loop's persistence and how it is judged.
        judge: replaced by a program when the operator says so (contract 20, 2.3).
        lock_wait_s: how long another holder of the loop's lock is waited for, in seconds.
        dispatcher: delivers alerts after the pass, None where alerts are off.
        tuner: programs in place of the summary or drift step (contract 20, 2.3); they read the files of the pass,
            which is therefore committed before them.
    """

    store: LoopStore
    settings: PassSettings
    judge: Judge = health_module.judge
    lock_wait_s: float = 10.0
    dispatcher: AlertDispatcher | None = None
    tuner: Tuner | None = None
    clock: Callable[[], float] = clocks.time
    monotonic: Callable[[], float] = clocks.monotonic

    def ordered(self, order: PassOrder) -> Reconciler:
        """For one pass as an operator wants it."""
        return replace(self, settings=order.applied(self.settings))

    def run(self, transport: BlockingTransport, trace_id: str) -> Outcome:
        """One pass over a transport that blocks.

        Raises:
            LockTimeoutError: another pass of this loop did not end in time.
            ManagerFileError: the outcome could not be written.
        """
        begun = self.begin(trace_id)
        try:
            observation = transport.observe(begun.query)
        except BaseException:
            self.store.unlock(begun.held)
            raise
        return self._finish_and_unlock(begun, observation)

    async def run_async(
        self, transport: AsyncTransport, trace_id: str, in_thread: Callable[..., Future[Any]]
    ) -> Outcome:
        """One pass over the network: two hops to a worker thread, the observation between them.

        ``in_thread`` runs a blocking function elsewhere, like ``loop.run_in_executor`` without its first argument.
        A cancelled pass never leaves the lock behind, and never gives it up while a thread still writes.
        Raises like :meth:`run`.
        """
        from asyncio import CancelledError, shield

        beginning: Future[Pass] = in_thread(self.begin, trace_id)
        try:
            begun = await shield(beginning)
        except CancelledError:
            beginning.add_done_callback(self._abandon)
            raise
        try:
            observation = await transport.observe(begun.query)
        except BaseException:
            self.store.unlock(begun.held)
            raise
        outcome: Outcome = await shield(in_thread(self._finish_and_unlock, begun, observation))
        return outcome

    def _abandon(self, beginning: Future[Pass]) -> None:
        if not beginning.cancelled() and beginning.exception() is None:
            self.store.unlock(beginning.result().held)

    def _finish_and_unlock(self, begun: Pass, observation: Observation) -> Outcome:
        try:
            return self.finish(begun, observation)
        finally:
            self.store.unlock(begun.held)

    def begin(self, trace_id: str) -> Pass:
        """Take the lock and load the memory. The caller unlocks ``Pass.held`` whatever happens."""
        started_at, started_monotonic = self.clock(), self.monotonic()
        held = self.store.lock(wait_s=self.lock_wait_s)
        try:
            tuning = self.settings.tuning
            memory = self.store.load(tail=tuning.drift.summary_window if tuning is not None else 0)
            query = self._query(memory, trace_id)
        except BaseException:
            self.store.unlock(held)
            raise
        return Pass(held, memory, query, trace_id, started_at, started_monotonic)

    def _query(self, memory: LoopMemory, trace_id: str) -> ObservationQuery:
        settings = self.settings
        document = memory.get(Document.CURSOR)
        anchor = document.get("anchorSha256")
        error = None
        if not settings.from_start:
            error = cursor_problem(document, Document.CURSOR in memory.damaged, settings.locations[Document.CURSOR])
        return ObservationQuery(
            cursor=0 if settings.from_start else cursor_offset(document),
            trace_id=trace_id,
            max_events=settings.max_events,
            from_start=settings.from_start,
            anchor=anchor if isinstance(anchor, str) and not settings.from_start else None,
            cursor_error=error,
            skip_line=settings.skip_line,
            retry_attempts=settings.retry_attempts,
            retry_backoff_s=settings.retry_backoff_s,
        )

    def finish(self, begun: Pass, observation: Observation) -> Outcome:
        """Evaluate, commit and dispatch."""
        time = PassTime(begun.started_at, self.clock(), self.monotonic() - begun.started_monotonic)
        memory, settings, trace_id = begun.memory, self.settings, begun.trace_id
        if self.tuner is None:
            outcome = evaluate(memory, observation, settings, trace_id=trace_id, time=time, judge=self.judge)
            self.store.commit(outcome.commit)
        else:
            outcome = evaluate(
                memory, observation, settings, trace_id=trace_id, time=time, judge=self.judge, tuner=None
            )
            self.store.commit(outcome.commit)
            tuned = tuned_outcome(outcome, memory, settings, trace_id, format_utc(time.now), self.tuner)
            self.store.commit(tuned.extra)
            outcome = tuned.merged()
        if self.dispatcher is not None:
            self.dispatcher.dispatch(trace_id=begun.trace_id)
        return outcome


def cursor_problem(document: JsonObject, damaged: bool, location: str) -> str | None:
    """Why a stored cursor cannot be polled from (contract 10, 3.2 step 3); None when it can."""
    if damaged:
        return f"invalid JSON in cursor file: {location}"
    if not is_digits(text(first_present(document.get("eventLineOffset"), 0))):
        return f"invalid cursor offset in {location}"
    return None

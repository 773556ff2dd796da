"""The one queue in front of the workers: deduplicating, with priorities, fair, and without starvation.

Invariants, each a property test:

* a key is in process at most once, and work added for it meanwhile runs afterwards;
* operator requests go first, then events, then resyncs, each class in order of arrival; a key that was just served
  stands behind the others of its class;
* a resync that has waited for ``max_wait_s`` goes before any event, so none starves;
* the number of entries is bounded by the number of keys.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Priority(IntEnum):
    """Classes of work, the most urgent first."""

    OPERATOR = 0
    EVENT = 1
    RESYNC = 2


@dataclass(slots=True)
class WorkItem:
    """Work for one key: its class, when it was first asked for (monotonic seconds), and why."""

    key: str
    priority: Priority
    enqueued_at: float
    reasons: set[str] = field(default_factory=set)


class WorkQueue:
    """Used from one event loop. ``max_wait_s`` is the longest that a due resync waits behind events."""

    def __init__(self, *, max_wait_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._ready: dict[Priority, OrderedDict[str, WorkItem]] = {priority: OrderedDict() for priority in Priority}
        self._delayed: dict[str, tuple[float, WorkItem]] = {}
        self._heap: list[tuple[float, str]] = []
        self._in_process: set[str] = set()
        self._again: dict[str, WorkItem] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: str, priority: Priority, *, reason: str, not_before: float | None = None) -> None:
        """Ask for work on ``key``, at once or not before a moment of the clock.

        Work that is asked for twice is done once, at the higher priority and the earlier moment. A later moment
        replaces one of the same class that is still to come, as a timer that is set again.
        """
        now = self._clock()
        if not_before is not None and not_before > now:
            self._delay(WorkItem(key, priority, not_before, {reason}), not_before)
            return
        self._add_ready(WorkItem(key, priority, now, {reason}))

    def _add_ready(self, item: WorkItem) -> None:
        if item.key in self._in_process:
            self._again[item.key] = _merged(self._again.get(item.key), item)
            return
        for priority, queue in self._ready.items():
            present = queue.get(item.key)
            if present is not None:
                merged = _merged(present, item)
                if merged.priority is not priority:
                    del queue[item.key]
                self._ready[merged.priority][item.key] = merged  # in its old place, if the class is the same
                return
        self._ready[item.priority][item.key] = item
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _delay(self, item: WorkItem, not_before: float) -> None:
        known = self._delayed.get(item.key)
        if known is not None and known[1].priority < item.priority and known[0] <= not_before:
            return
        self._delayed[item.key] = (not_before, item)
        heapq.heappush(self._heap, (not_before, item.key))
        if self._waiting and self._heap[0] == (not_before, item.key):
            self._set_timer(not_before - self._clock())

    def _set_timer(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, delay_s), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        next_s = self._release_due()
        if next_s is not None:
            self._set_timer(next_s)

    def _release_due(self) -> float | None:
        """Move what is due to its class; seconds until the next, None when nothing is delayed."""
        now = self._clock()
        while self._heap:
            due, key = self._heap[0]
            known = self._delayed.get(key)
            if known is None or known[0] != due:
                heapq.heappop(self._heap)  # set again or forgotten meanwhile
                continue
            if due > now:
                return due - now
            heapq.heappop(self._heap)
            del self._delayed[key]
            self._add_ready(known[1])
        return None

    async def get(self) -> WorkItem:
        """The next work; its key is in process until :meth:`done`."""
        while True:
            item = self.get_nowait()
            if item is not None:
                return item
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            if self._heap and self._timer is None:
                self._set_timer(self._heap[0][0] - self._clock())
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()  # the turn goes to somebody else
                raise

    def get_nowait(self) -> WorkItem | None:
        """The next work that is ready, None when there is none."""
        self._release_due()
        return self._take()

    def _take(self) -> WorkItem | None:
        resyncs = self._ready[Priority.RESYNC]
        oldest = next(iter(resyncs.values()), None)
        starving = oldest is not None and self._clock() - oldest.enqueued_at >= self._max_wait_s
        order = (Priority.OPERATOR, Priority.RESYNC, Priority.EVENT) if starving else tuple(Priority)
        for priority in order:
            queue = self._ready[priority]
            if queue:
                key, item = queue.popitem(last=False)
                self._in_process.add(key)
                return item
        return None

    def done(self, key: str) -> None:
        """The work on ``key`` has ended; what was asked for meanwhile becomes ready."""
        self._in_process.discard(key)
        again = self._again.pop(key, None)
        if again is not None:
            again.enqueued_at = self._clock()
            self._add_ready(again)

    def forget(self, key: str) -> None:
        """Drop everything asked for ``key``; work in process is not touched."""
        for queue in self._ready.values():
            queue.pop(key, None)
        self._delayed.pop(key, None)
        self._again.pop(key, None)

    @property
    def depth(self) -> Mapping[str, int]:
        """Ready entries by class."""
        self._release_due()
        return {priority.name.lower(): len(queue) for priority, queue in self._ready.items()}

    @property
    def running(self) -> int:
        """Keys in process."""
        return len(self._in_process)

    @property
    def delayed(self) -> int:
        """Keys with work that is not due yet."""
        return len(self._delayed)

    @property
    def oldest_age_s(self) -> float | None:
        """Seconds that the oldest ready entry has waited."""
        heads = [next(iter(queue.values())).enqueued_at for queue in self._ready.values() if queue]
        return max(0.0, self._clock() - min(heads)) if heads else None


def _merged(present: WorkItem | None, item: WorkItem) -> WorkItem:
    if present is None:
        return item
    return WorkItem(
        item.key,
        min(present.priority, item.priority),
        min(present.enqueued_at, item.enqueued_at),
        present.reasons | item.reasons,
    )

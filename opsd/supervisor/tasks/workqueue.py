"""The one queue in front of the workers: deduplicating, with priorities, fair, and without starvation.

Invariants, each a property test:

* a key is in process at most once, and work added for it meanwhile runs afterwards;
* operator requests go first, then events, then resyncs, each class in order of arrival; a key that was just served
  stands behind the others of its class;
* an entry that has waited for ``max_wait_s`` is overdue and goes before more urgent ones, but only every second
  time: so no resync starves, however many events come, and even a backlog of overdue resyncs puts but one of them
  before each fresh event or operator request;
* the number of entries, of timers and of reasons is bounded by the number of keys.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

#: Reasons that one entry keeps; further ones say nothing new.
_MAX_REASONS = 16


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
    """Used from one event loop. After ``max_wait_s`` an entry is overdue."""

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
        self._timer_due = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        #: The last entry that was served went before a more urgent one because it was overdue.
        self._overdue_went_first = False

    def add(self, key: str, priority: Priority, *, reason: str, not_before: float | None = None) -> None:
        """Ask for work on ``key``, at once or not before a moment of the clock.

        Work that is asked for twice is done once, for all reasons, at the higher priority and the earlier moment. A
        moment replaces one of the same class that is still to come, as a timer that is set again.
        """
        self._release_due()  # what became due before now stands before it
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
        if known is not None:
            if known[1].priority is not item.priority:
                not_before = min(known[0], not_before)
            item = _merged(known[1], item)
            item.enqueued_at = not_before
        self._delayed[item.key] = (not_before, item)
        if known is None or known[0] != not_before:
            heapq.heappush(self._heap, (not_before, item.key))
        if len(self._heap) > 2 * len(self._delayed) + 64:  # most are timers that were set again
            self._heap = [(due, key) for key, (due, _) in self._delayed.items()]
            heapq.heapify(self._heap)
        if self._waiting:
            self._arm()

    def _arm(self) -> None:
        """Have the timer ring when the next entry is due."""
        if not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._release_due()
        if self._waiting:
            self._arm()

    def _release_due(self) -> None:
        """Move what is due to its class."""
        now = self._clock()
        while self._heap:
            due, key = self._heap[0]
            known = self._delayed.get(key)
            if known is None or known[0] != due:
                heapq.heappop(self._heap)  # set again or forgotten meanwhile
                continue
            if due > now:
                return
            heapq.heappop(self._heap)
            del self._delayed[key]
            self._add_ready(known[1])

    async def get(self) -> WorkItem:
        """The next work; its key is in process until :meth:`done`."""
        while True:
            item = self.get_nowait()
            if item is not None:
                return item
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._arm()
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                elif not waiter.cancelled():
                    self._wake_one()  # the turn goes to somebody else
                raise

    def get_nowait(self) -> WorkItem | None:
        """The next work that is ready, None when there is none."""
        self._release_due()
        return self._take()

    def _take(self) -> WorkItem | None:
        queue = self._choose()
        if queue is None:
            return None
        key, item = queue.popitem(last=False)
        self._in_process.add(key)
        self._idle.clear()
        return item

    def _choose(self) -> OrderedDict[str, WorkItem] | None:
        """The class whose turn it is; None when nothing is ready."""
        present = [queue for queue in self._ready.values() if queue]
        if not present:
            return None
        if not self._overdue_went_first:
            late_before = self._clock() - self._max_wait_s
            heads = [(next(iter(queue.values())).enqueued_at, number) for number, queue in enumerate(present) if number]
            enqueued_at, number = min(heads, default=(math.inf, 0))
            if enqueued_at <= late_before:
                self._overdue_went_first = True
                return present[number]
        self._overdue_went_first = False
        return present[0]

    def done(self, key: str) -> None:
        """The work on ``key`` has ended; what was asked for meanwhile becomes ready."""
        self._in_process.discard(key)
        if not self._in_process:
            self._idle.set()
        again = self._again.pop(key, None)
        if again is not None:
            again.enqueued_at = self._clock()
            self._add_ready(again)

    async def idle(self) -> None:
        """Return when no key is in process."""
        await self._idle.wait()

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
        moments = [item.enqueued_at for queue in self._ready.values() for item in queue.values()]
        return max(0.0, self._clock() - min(moments)) if moments else None


def _merged(present: WorkItem | None, item: WorkItem) -> WorkItem:
    if present is None:
        return item
    return WorkItem(
        item.key,
        min(present.priority, item.priority),
        min(present.enqueued_at, item.enqueued_at),
        present.reasons if len(present.reasons) >= _MAX_REASONS else present.reasons | item.reasons,
    )

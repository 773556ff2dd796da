"""The work queue's invariants, against a plain model of it and on a real event loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from opsd.supervisor.tasks.workqueue import Priority, WorkItem, WorkQueue

MAX_WAIT_S = 10.0
KEYS = st.sampled_from("abcdef")
REASONS = st.sampled_from(["news", "resync", "start"])
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 4.0, 11.0])


@dataclass
class Entry:
    """What the model knows of one key's ready or delayed work."""

    priority: Priority
    since: float
    reasons: frozenset[str]
    place: int = 0

    def merged(self, other: Entry, place: int) -> Entry:
        priority = min(self.priority, other.priority)
        return Entry(
            priority,
            min(self.since, other.since),
            self.reasons | other.reasons,
            self.place if priority is self.priority else place,
        )


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of calls, at any times, against lists that are searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.queue = WorkQueue(max_wait_s=MAX_WAIT_S, clock=lambda: self.now)
        self.ready: dict[str, Entry] = {}
        self.delayed: dict[str, Entry] = {}
        self.again: dict[str, Entry] = {}
        self.in_process: set[str] = set()
        self.places = 0
        self.overdue_went_first = False

    def _make_ready(self, key: str, entry: Entry) -> None:
        self.places += 1
        target = self.again if key in self.in_process else self.ready
        entry.place = self.places
        target[key] = target[key].merged(entry, self.places) if key in target else entry

    def _release(self) -> None:
        for key, entry in sorted(self.delayed.items(), key=lambda pair: (pair[1].since, pair[0])):
            if entry.since <= self.now:
                del self.delayed[key]
                self._make_ready(key, entry)

    @rule(key=KEYS, priority=st.sampled_from(Priority), reason=REASONS)
    def add(self, key: str, priority: Priority, reason: str) -> None:
        self._release()
        self._make_ready(key, Entry(priority, self.now, frozenset({reason})))
        self.queue.add(key, priority, reason=reason)

    @rule(key=KEYS, priority=st.sampled_from(Priority), reason=REASONS, seconds=SECONDS.filter(bool))
    def add_for_later(self, key: str, priority: Priority, reason: str, seconds: float) -> None:
        self._release()
        due = self.now + seconds
        self.queue.add(key, priority, reason=reason, not_before=due)
        known = self.delayed.get(key)
        reasons = frozenset({reason})
        if known is not None:
            if known.priority is not priority:
                due = min(due, known.since)
            priority, reasons = min(known.priority, priority), known.reasons | reasons
        self.delayed[key] = Entry(priority, due, reasons)

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        self._release()
        item = self.queue.get_nowait()
        if item is None:
            assert not self.ready
            return
        entry = self.ready.pop(item.key)
        assert item.key not in self.in_process
        assert (item.priority, item.enqueued_at, item.reasons) == (entry.priority, entry.since, set(entry.reasons))
        others = self.ready.values()
        assert all(entry.place < other.place for other in others if other.priority is entry.priority)
        if any(other.priority < entry.priority for other in others):
            assert self.now - entry.since >= MAX_WAIT_S
            assert not self.overdue_went_first
            self.overdue_went_first = True
        else:
            classes = {other.priority for other in others if other.priority > entry.priority}
            for priority in classes:
                head = min((other for other in others if other.priority is priority), key=lambda other: other.place)
                assert self.overdue_went_first or self.now - head.since < MAX_WAIT_S
            self.overdue_went_first = False
        self.in_process.add(item.key)

    @precondition(lambda self: self.in_process)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_process)))
        self.in_process.remove(key)
        again = self.again.pop(key, None)
        if again is not None:
            self._make_ready(key, Entry(again.priority, self.now, again.reasons))
        self.queue.done(key)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        for kept in (self.ready, self.delayed, self.again):
            kept.pop(key, None)
        self.queue.forget(key)

    @rule()
    def it_counts_what_there_is(self) -> None:
        self._release()
        depth = self.queue.depth
        counted = {priority.name.lower(): 0 for priority in Priority}
        for entry in self.ready.values():
            counted[entry.priority.name.lower()] += 1
        assert depth == counted
        assert (self.queue.delayed, self.queue.running) == (len(self.delayed), len(self.in_process))
        oldest = max((self.now - entry.since for entry in self.ready.values()), default=None)
        assert self.queue.oldest_age_s == oldest


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    resyncs=st.integers(1, 8), hot_keys=st.integers(1, 5), urgent=st.sampled_from([Priority.EVENT, Priority.OPERATOR])
)
def test_no_resync_starves_under_a_flood_of_urgent_work(resyncs: int, hot_keys: int, urgent: Priority) -> None:
    clock = Clock()
    queue = WorkQueue(max_wait_s=MAX_WAIT_S, clock=clock)
    for number in range(resyncs):
        queue.add(f"resync-{number}", Priority.RESYNC, reason="resync")
    served: list[str] = []
    turns = 0
    while len(served) < resyncs:
        for number in range(hot_keys):  # at every moment each hot key has news
            queue.add(f"hot-{number}", urgent, reason="news")
        item = queue.get_nowait()
        assert item is not None
        if item.priority is Priority.RESYNC:
            served.append(item.key)
        queue.done(item.key)
        if clock.now >= MAX_WAIT_S:
            turns += 1
        clock.now += 0.5
    assert served == [f"resync-{number}" for number in range(resyncs)]
    assert turns <= 2 * resyncs


@given(
    backlog=st.integers(0, 50),
    waited=st.floats(0, 100),
    fresh=st.sampled_from([Priority.EVENT, Priority.OPERATOR]),
    before=st.integers(0, 3),
)
def test_fresh_work_never_waits_behind_routine_resyncs(
    backlog: int, waited: float, fresh: Priority, before: int
) -> None:
    clock = Clock()
    queue = WorkQueue(max_wait_s=MAX_WAIT_S, clock=clock)
    for number in range(backlog):
        queue.add(f"resync-{number}", Priority.RESYNC, reason="resync")
    clock.now = waited
    for _ in range(before):
        queue.get_nowait()
    queue.add("fresh", fresh, reason="news")
    ahead = 0
    while (item := queue.get_nowait()) is not None and item.key != "fresh":
        ahead += 1
    assert ahead <= (1 if waited >= MAX_WAIT_S and backlog else 0)


def test_a_hot_loop_goes_behind_the_others_after_it_was_served() -> None:
    queue = WorkQueue(clock=Clock())
    for key in ("hot", "b", "c"):
        queue.add(key, Priority.EVENT, reason="news")
    served = []
    for _ in range(6):
        item = queue.get_nowait()
        assert item is not None
        served.append(item.key)
        for key in ("hot", "b", "c"):
            queue.add(key, Priority.EVENT, reason="news")
        queue.done(item.key)
    assert served == ["hot", "b", "c", "hot", "b", "c"]


def test_a_timer_that_is_set_again_and_again_leaves_nothing_behind() -> None:
    clock = Clock()
    queue = WorkQueue(clock=clock)
    for _ in range(10_000):
        clock.now += 0.001
        queue.add("hot", Priority.RESYNC, reason="resync", not_before=clock.now + 60)
    assert queue.delayed == 1
    assert len(queue._heap) < 100


def test_reasons_do_not_grow_without_end() -> None:
    queue = WorkQueue(clock=Clock())
    for number in range(1000):
        queue.add("a", Priority.EVENT, reason=f"event {number}")
    item = queue.get_nowait()
    assert item is not None
    assert len(item.reasons) <= 16


async def _get(queue: WorkQueue) -> WorkItem:
    async with asyncio.timeout(60):
        return await queue.get()


def test_a_worker_that_waits_gets_work_as_it_comes_and_as_it_falls_due() -> None:
    async def main() -> None:
        queue = WorkQueue()
        began = time.monotonic()
        waiting = asyncio.ensure_future(_get(queue))
        queue.add("far", Priority.RESYNC, reason="resync", not_before=began + 60)
        await asyncio.sleep(0)
        queue.add("now", Priority.EVENT, reason="news")
        assert (await waiting).key == "now"
        # A timer for "far" runs already; "near" must not wait for it.
        queue.add("near", Priority.RESYNC, reason="resync", not_before=began + 0.05)
        assert (await _get(queue)).key == "near"
        assert time.monotonic() - began >= 0.05
        # Neither when a worker waits while it is added.
        waiting = asyncio.ensure_future(_get(queue))
        await asyncio.sleep(0)
        queue.add("later", Priority.RESYNC, reason="resync", not_before=time.monotonic() + 0.02)
        assert (await waiting).key == "later"

    asyncio.run(main())


def test_a_worker_that_is_cancelled_as_it_is_woken_passes_the_turn_on() -> None:
    async def main() -> None:
        queue = WorkQueue()
        first = asyncio.ensure_future(queue.get())
        second = asyncio.ensure_future(_get(queue))
        await asyncio.sleep(0)
        queue.add("a", Priority.EVENT, reason="news")
        first.cancel()
        assert (await second).key == "a"

    asyncio.run(main())


def test_workers_that_give_up_waiting_leave_nothing_behind() -> None:
    async def main() -> None:
        queue = WorkQueue()
        for _ in range(50):
            waiting = asyncio.ensure_future(queue.get())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert not queue._waiting

    asyncio.run(main())


def test_many_workers_never_hold_one_key_twice_and_lose_nothing() -> None:
    async def main() -> None:
        queue = WorkQueue()
        held: set[str] = set()
        runs: dict[str, int] = {}
        asked_last: dict[str, float] = {}
        started_last: dict[str, float] = {}

        async def worker() -> None:
            while True:
                item = await queue.get()
                assert item.key not in held
                held.add(item.key)
                started_last[item.key] = time.perf_counter()
                await asyncio.sleep(0)
                runs[item.key] = runs.get(item.key, 0) + 1
                held.remove(item.key)
                queue.done(item.key)

        workers = [asyncio.ensure_future(worker()) for _ in range(4)]
        for number in range(500):
            key = f"k{number % 7}"
            asked_last[key] = time.perf_counter()
            queue.add(key, Priority(number % 3), reason="r")
            if number % 5 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while queue.running or sum(queue.depth.values()):
                await asyncio.sleep(0.001)
        assert not any(task.done() for task in workers)
        assert all(started_last[key] > asked for key, asked in asked_last.items())
        for task in workers:
            task.cancel()
        await asyncio.wait(workers)

    asyncio.run(main())

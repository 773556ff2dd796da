"""A worker that ends in the middle of a pass takes no loop with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

from opsd.supervisor.loops.pass_runner import PassLimits, PassRunner
from opsd.supervisor.tasks.heartbeat import Heartbeat
from opsd.supervisor.tasks.workqueue import Priority, WorkQueue


class Metrics:
    """Takes whatever is told."""

    loops = SimpleNamespace(update=lambda *_sample: None)

    def observe_reconcile(self, *_result: object) -> None:
        """One pass has ended."""


class Loop:
    """As much of a supervised loop as a pass needs; ``body`` is the pass."""

    name = "alpha"
    stuck = False
    not_before = 0.0
    has_more_events = False

    def __init__(self, body: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._body = body
        self.plan = SimpleNamespace(resync_s=0.0)
        self.knowledge = SimpleNamespace(failures_in_a_row=0)

    def run_pass(self, _trace_id: str, _in_thread: object) -> Coroutine[Any, Any, Any]:
        return self._body()

    def learn_error(self, *_failure: object, **_more: object) -> None:
        self.knowledge.failures_in_a_row = 1

    def sample(self) -> None:
        return None


def runner(queue: WorkQueue, *, deadline_s: float = 60.0, **more: Any) -> PassRunner:
    return PassRunner(queue, cast(Any, Metrics()), PassLimits(deadline_s, 0.0, 0.0, 0.0), cast(Any, None), **more)


async def test_a_loop_outlives_the_worker_that_was_ended_over_it() -> None:
    queue, began = WorkQueue(), asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    queue.add("alpha", Priority.EVENT, reason="news")
    wanted = cast(Any, lambda _key: Loop(hang))
    worker = asyncio.create_task(runner(queue).work(Heartbeat(None, lambda: 0.0), wanted=wanted))
    await began.wait()
    worker.cancel()
    await asyncio.wait([worker])
    assert (await queue.get()).key == "alpha"


async def test_a_loop_outlives_a_worker_that_could_not_tell_of_its_pass() -> None:
    queue = WorkQueue()

    def fail(_loop: object) -> None:
        raise RuntimeError("nobody listens")

    async def refuse() -> None:
        raise OSError(28, "No space left on device")

    queue.add("alpha", Priority.EVENT, reason="news")
    worker = asyncio.create_task(
        runner(queue, on_change=fail).work(Heartbeat(None, lambda: 0.0), wanted=cast(Any, lambda _key: Loop(refuse)))
    )
    await asyncio.wait([worker])
    assert isinstance(worker.exception(), RuntimeError)
    assert (await queue.get()).key == "alpha"


async def test_a_pass_may_last_for_the_deadline_that_is_in_force() -> None:
    queue, heartbeat = WorkQueue(), Heartbeat(10.0, lambda: 0.0)
    late: list[tuple[bool, bool]] = []
    work = runner(queue)

    async def look() -> None:
        late.append((heartbeat.overdue(610.0), heartbeat.overdue(610.5)))
        raise asyncio.CancelledError

    work.limits = PassLimits(600.0, 0.0, 0.0, 0.0)
    queue.add("alpha", Priority.EVENT, reason="news")
    worker = asyncio.create_task(work.work(heartbeat, wanted=cast(Any, lambda _key: Loop(look))))
    await asyncio.wait([worker])
    assert late == [(False, True)]

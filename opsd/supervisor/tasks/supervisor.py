"""Every asyncio task of the daemon: started here, owned here, seen when it fails. No silent death.

A long-lived task gets a :class:`Heartbeat` and must report progress within its deadline, or say that it waits on
purpose. The supervisor sees it raise, hang, or return although nobody stopped it; it tells the log and the metrics
through one callback, shows it in :meth:`TaskSupervisor.status`, and starts it again after a growing pause. One sweep
judges all tasks, so thousands of them cost no timers. A hung task that ignores its cancellation is abandoned, counted
and replaced; time in which the event loop itself stood still is held against nobody (the block detector sees that).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from opsd.supervisor.tasks.handle import (
    DEFAULT_RESTART,
    Body,
    OnEvent,
    RestartPolicy,
    TaskEvent,
    TaskHandle,
    TaskState,
    TaskStatus,
)
from opsd.supervisor.tasks.heartbeat import Heartbeat

__all__ = [
    "Body",
    "Heartbeat",
    "OnEvent",
    "RestartPolicy",
    "TaskEvent",
    "TaskHandle",
    "TaskState",
    "TaskStatus",
    "TaskSupervisor",
]
_log = logging.getLogger("opsd.tasks")


class TaskSupervisor:
    """Owns all long-lived tasks, and sees the errors of the short ones it spawns.

    Args:
        on_event: told of everything that happens to a task: for the log and the counters.
        sweep_s: seconds between looks at the deadlines.
    """

    def __init__(
        self, on_event: OnEvent, *, sweep_s: float = 0.25, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._on_event = on_event
        self._sweep_s = sweep_s
        self._handles: dict[str, TaskHandle] = {}
        self._spawned: set[asyncio.Task[Any]] = set()
        #: Runs that were cancelled and have not ended yet; held, for asyncio itself forgets a task nobody refers to.
        self._leaving: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._swept_at = clock()

    def start(
        self,
        name: str,
        body: Body,
        *,
        deadline_s: float | None,
        restart: RestartPolicy | None = DEFAULT_RESTART,
    ) -> TaskHandle:
        """Start a long-lived task.

        Args:
            deadline_s: the longest silence it is allowed; None: any.
            restart: None leaves a task that ended as it is; a hung one is then only marked, and may recover.

        Raises:
            ValueError: there is a task of this name.
        """
        if name in self._handles:
            raise ValueError(f"task {name} runs already")
        handle = TaskHandle(self, name, body, deadline_s, restart)
        self._handles[name] = handle
        handle.start()
        if self._sweeper is None:
            self._start_sweeper()
        return handle

    def _start_sweeper(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="task-sweeper")
        self._sweeper.add_done_callback(self._sweeper_ended)

    def _sweeper_ended(self, task: asyncio.Task[None]) -> None:
        if task is not self._sweeper:
            return  # stopped
        # The one who watches is watched too: it starts again, whatever ended it, and it is told.
        error = None if task.cancelled() else task.exception()
        self.tell(TaskEvent.RETURNED if error is None else TaskEvent.RAISED, "task-sweeper", error)
        self._start_sweeper()

    async def _sweep_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._sweep_s
            await asyncio.sleep(self._sweep_s)
            late_s = loop.time() - due
            if late_s > self._sweep_s:  # the event loop stood still, and every task with it
                for handle in self._handles.values():
                    handle.grant(late_s)
            self.sweep()

    def sweep(self) -> None:
        """Judge every task once."""
        now = self._swept_at = self.clock()
        for handle in list(self._handles.values()):
            handle.sweep(now)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something short in the background; if it raises, that is told like the end of a long-lived task."""
        task = asyncio.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned_ended)
        return task

    def _spawned_ended(self, task: asyncio.Task[Any]) -> None:
        self._spawned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.tell(TaskEvent.RAISED, task.get_name(), task.exception())

    def tell(self, event: TaskEvent, name: str, error: BaseException | None) -> None:
        """Report an event; a listener that fails ends nothing."""
        try:
            self._on_event(event, name, error)
        except Exception:  # noqa: BLE001 - the supervisor outlives its listeners
            _log.exception("the listener to task events failed")

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a cancelled run until it ends."""
        self._leaving.add(task)

    def gone(self, task: asyncio.Task[Any]) -> None:
        """A cancelled run has ended."""
        self._leaving.discard(task)

    @property
    def leaving(self) -> int:
        """Runs that were cancelled and have not ended: abandoned ones, and those that were just dropped."""
        return len(self._leaving)

    def forget(self, name: str) -> None:
        """Stop a task that has no more purpose and drop it."""
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def status(self) -> list[TaskStatus]:
        """Every long-lived task."""
        now = self.clock()
        return [handle.status(now) for handle in self._handles.values()]

    def problems(self) -> list[str]:
        """Why not all tasks progress; empty when they do."""
        found = [
            f"task {handle.name} is {handle.state}: {handle.last_error}"
            for handle in self._handles.values()
            if handle.state not in (TaskState.RUNNING, TaskState.STOPPED)
        ]
        if self._handles and self.clock() - self._swept_at > max(5.0, 20 * self._sweep_s):
            found.append("tasks are not being watched")
        return found

    async def stop(self, timeout_s: float) -> list[str]:
        """End everything, what was started last first; the names of those that did not end within ``timeout_s``."""
        own = asyncio.current_task()
        for handle in reversed(self._handles.values()):
            handle.cancel()
        for task in self._spawned - {own}:
            task.cancel()
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            self._leaving.add(sweeper)
            sweeper.add_done_callback(self.gone)
        running = (self._spawned | self._leaving) - {own}
        if not running:
            return []
        _done, late = await asyncio.wait(running, timeout=timeout_s)
        return sorted(task.get_name() for task in late)

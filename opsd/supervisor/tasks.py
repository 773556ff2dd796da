"""Every asyncio task of the daemon: started here, owned here, seen when it fails. No silent death.

A long-lived task gets a :class:`Heartbeat` and must report progress within its deadline, or say that it waits on
purpose. The supervisor sees it raise, hang, or return although nobody stopped it; it tells the log and the metrics
through one callback, shows it in :meth:`TaskSupervisor.status`, and starts it again after a growing pause. One sweep
judges all tasks, so thousands of them cost no timers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from opsd.supervisor.backoff import next_delay


class TaskState(StrEnum):
    """What a long-lived task is doing."""

    RUNNING = "running"
    HUNG = "hung"
    FAILED = "failed"
    RETURNED = "returned"
    STOPPED = "stopped"


class TaskEvent(StrEnum):
    """What happened to a task."""

    RAISED = "raised"
    HUNG = "hung"
    RETURNED = "returned"
    RESTARTED = "restarted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a task that ended is started again: pauses in seconds, doubled up to the cap.

    ``cancel_grace_s`` is how long a hung task may take to honour its cancellation before it is abandoned.
    """

    base_s: float = 0.5
    cap_s: float = 60.0
    cancel_grace_s: float = 5.0


class Heartbeat:
    """Given to a task, so that it can tell of its progress. ``deadline_s`` is the longest silence it is allowed."""

    __slots__ = ("_clock", "deadline_s", "expires_at", "last_beat", "waiting")

    def __init__(self, deadline_s: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.deadline_s = deadline_s
        self.waiting = 0
        self.last_beat = 0.0
        self.expires_at: float | None = None
        self.beat()

    def beat(self) -> None:
        """There was progress; the usual deadline begins anew."""
        self.last_beat = self._clock()
        self.expires_at = None if self.deadline_s is None else self.last_beat + self.deadline_s

    def expect(self, seconds: float) -> None:
        """There was progress, and the next may take this long beyond the usual deadline (a known wait)."""
        self.beat()
        if self.expires_at is not None:
            self.expires_at += seconds

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Waiting on purpose for something that may never come."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self.beat()

    def overdue(self, now: float) -> bool:
        """The deadline has passed."""
        return not self.waiting and self.expires_at is not None and now > self.expires_at


class Body(Protocol):
    """The work of a long-lived task: runs until it is cancelled."""

    def __call__(self, heartbeat: Heartbeat, /) -> Coroutine[Any, Any, None]:
        """Start the work."""
        ...


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task as it is shown; ``silent_s`` are the seconds since its last progress."""

    name: str
    state: TaskState
    silent_s: float
    restarts: int
    last_error: str | None


OnEvent: TypeAlias = Callable[[TaskEvent, str, BaseException | None], None]


class TaskHandle:
    """One long-lived task and its succession of runs."""

    def __init__(
        self, owner: TaskSupervisor, name: str, body: Body, deadline_s: float | None, policy: RestartPolicy
    ) -> None:
        self.name = name
        self.state = TaskState.RUNNING
        self.restarts = 0
        self.last_error: str | None = None
        self.heartbeat = Heartbeat(deadline_s, owner.clock)
        self._owner = owner
        self._body = body
        self._policy = policy
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._cancelled_at: float | None = None

    def start(self) -> None:
        """Begin a run."""
        self.state = TaskState.RUNNING
        self.heartbeat = Heartbeat(self.heartbeat.deadline_s, self._owner.clock)
        self._restart_at = self._cancelled_at = None
        self._started_at = self._owner.clock()
        task = asyncio.create_task(self._body(self.heartbeat), name=self.name)
        self._task = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if task is not self._task or self.state is TaskState.STOPPED:
            return  # an abandoned run that ended after all, or one that was stopped
        self._task = None
        if self.state is TaskState.HUNG:
            self._plan_restart()  # already told; it honoured its cancellation
            return
        self.state = TaskState.RETURNED if error is None else TaskState.FAILED
        event = TaskEvent.RETURNED if error is None else TaskEvent.RAISED
        self.last_error = "ended although nobody stopped it" if error is None else _describe(error)
        self._plan_restart()
        self._owner.tell(event, self.name, error)

    def _plan_restart(self) -> None:
        now = self._owner.clock()
        if now - self._started_at > self._policy.cap_s:
            self._failures = 0  # it worked for a good while
        self._failures += 1
        self._restart_at = now + next_delay(
            self._failures, base_s=self._policy.base_s, cap_s=self._policy.cap_s, jitter=0.2, rand=random.random()
        )

    def sweep(self, now: float) -> None:
        """Notice a hang, abandon what does not honour its cancellation, restart what is due."""
        if self.state is TaskState.STOPPED:
            return
        if self.state is TaskState.RUNNING and self.heartbeat.overdue(now):
            self.state = TaskState.HUNG
            self.last_error = f"no progress for {now - self.heartbeat.last_beat:.1f} s"
            self._cancelled_at = now
            if self._task is not None:
                self._task.cancel()
            self._owner.tell(TaskEvent.HUNG, self.name, None)
        elif self._cancelled_at is not None and self._task is not None:
            if now - self._cancelled_at > self._policy.cancel_grace_s:
                self._task = None
                self._cancelled_at = None
                self._plan_restart()
                self._owner.tell(TaskEvent.ABANDONED, self.name, None)
        elif self._restart_at is not None and now >= self._restart_at:
            self.restarts += 1
            self.start()
            self._owner.tell(TaskEvent.RESTARTED, self.name, None)

    def cancel(self) -> asyncio.Task[None] | None:
        """End it for good; the run that may still have to end."""
        self.state = TaskState.STOPPED
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        return task

    def status(self, now: float) -> TaskStatus:
        """As it is shown."""
        silent_s = 0.0 if self.heartbeat.waiting else max(0.0, now - self.heartbeat.last_beat)
        return TaskStatus(self.name, self.state, silent_s, self.restarts, self.last_error)


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
        self._sweeper: asyncio.Task[None] | None = None
        self._swept_at = clock()

    def start(
        self, name: str, body: Body, *, deadline_s: float | None, restart: RestartPolicy | None = None
    ) -> TaskHandle:
        """Start a long-lived task; ``deadline_s`` is the longest silence it is allowed (None: any)."""
        if name in self._handles:
            raise ValueError(f"task {name} runs already")
        handle = TaskHandle(self, name, body, deadline_s, restart or RestartPolicy())
        self._handles[name] = handle
        handle.start()
        if self._sweeper is None:
            self._start_sweeper()
        return handle

    def _start_sweeper(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="task-sweeper")
        self._sweeper.add_done_callback(self._sweeper_ended)

    def _sweeper_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        # The one who watches is watched too: it starts again at once, and it is told.
        self.tell(TaskEvent.RAISED, "task-sweeper", task.exception())
        self._start_sweeper()

    async def _sweep_for_ever(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(self._sweep_s)

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
            pass

    def forget(self, name: str) -> None:
        """Stop a task that has no more purpose and drop it."""
        handle = self._handles.pop(name, None)
        if handle is not None:
            task = handle.cancel()
            if task is not None:
                self._spawned.add(task)
                task.add_done_callback(self._spawned.discard)

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
        """End everything; the names of those that did not end in time."""
        running = [task for task in (handle.cancel() for handle in self._handles.values()) if task is not None]
        running += self._spawned
        if self._sweeper is not None:
            self._sweeper.cancel()
            running.append(self._sweeper)
        for task in running:
            task.cancel()
        if not running:
            return []
        _done, late = await asyncio.wait(running, timeout=timeout_s)
        return sorted(task.get_name() for task in late)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]

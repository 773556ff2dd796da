"""One long-lived task of the daemon: its states, its runs one after the other, and how it is started again.

The rules of one task; :mod:`opsd.supervisor.tasks.supervisor` owns them all and sweeps over them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from opsd.supervisor.redaction import redact
from opsd.supervisor.tasks.backoff import next_delay
from opsd.supervisor.tasks.heartbeat import Heartbeat


class Owner(Protocol):
    """What a task needs of who owns it."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""
        ...

    def tell(self, event: TaskEvent, name: str, error: BaseException | None) -> None:
        """Something happened."""
        ...

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a cancelled run until it ends."""
        ...

    def gone(self, task: asyncio.Task[Any]) -> None:
        """A cancelled run has ended."""
        ...


class TaskState(StrEnum):
    """What a long-lived task is doing. FAILED, RETURNED and HUNG last until it is started again."""

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


DEFAULT_RESTART = RestartPolicy()


class Body(Protocol):
    """The work of a long-lived task: runs until it is cancelled."""

    def __call__(self, heartbeat: Heartbeat, /) -> Coroutine[Any, Any, None]:
        """Start the work."""
        ...


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task as it is shown; ``silent_s`` are the seconds since its last progress, 0 while it waits on purpose."""

    name: str
    state: TaskState
    silent_s: float
    restarts: int
    last_error: str | None


OnEvent: TypeAlias = Callable[[TaskEvent, str, BaseException | None], None]


class TaskHandle:
    """One long-lived task and its succession of runs."""

    def __init__(
        self,
        owner: Owner,
        name: str,
        body: Body,
        deadline_s: float | None,
        policy: RestartPolicy | None,
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
        task = asyncio.create_task(self._run(self.heartbeat), name=self.name)
        self._task = task
        task.add_done_callback(self._ended)

    async def _run(self, heartbeat: Heartbeat) -> None:
        await self._body(heartbeat)  # inside the task, so that a body that raises when it is called is seen as well

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if task is not self._task:  # abandoned, or stopped
            self._owner.gone(task)
            if error is not None:
                self._owner.tell(TaskEvent.RAISED, self.name, error)
            return
        self._task = None
        if self.state is TaskState.HUNG and self._cancelled_at is not None:
            if error is not None:
                self.last_error = f"{self.last_error}, then {redact.error(error)}"
            self._plan_restart()  # already told; it honoured its cancellation
            return
        self.state = TaskState.RETURNED if error is None else TaskState.FAILED
        self.last_error = "ended although nobody stopped it" if error is None else redact.error(error)
        event = TaskEvent.RETURNED if error is None else TaskEvent.RAISED
        self._plan_restart()
        self._owner.tell(event, self.name, error)

    def _plan_restart(self) -> None:
        self._cancelled_at = None
        if self._policy is None:
            return
        now = self._owner.clock()
        if now - self._started_at > self._policy.cap_s:
            self._failures = 0  # it worked for a good while
        self._failures += 1
        self._restart_at = now + next_delay(
            self._failures,
            base_s=self._policy.base_s,
            cap_s=self._policy.cap_s,
            jitter=0.2,
            rand=random.random(),  # noqa: S311 - spread, not a secret
        )

    def sweep(self, now: float) -> None:
        """Notice a hang, abandon what does not honour its cancellation, restart what is due."""
        if self.state is TaskState.RUNNING:
            if self.heartbeat.overdue(now):
                self._hang(now)
        elif self._restart_at is not None:
            if now >= self._restart_at:
                self.restarts += 1
                self.start()
                self._owner.tell(TaskEvent.RESTARTED, self.name, None)
        elif self.state is TaskState.HUNG:
            if self._policy is None:
                self.state = TaskState.HUNG if self.heartbeat.overdue(now) else TaskState.RUNNING
            elif self._cancelled_at is not None and now - self._cancelled_at > self._policy.cancel_grace_s:
                self._abandon()

    def _hang(self, now: float) -> None:
        self.state = TaskState.HUNG
        self.last_error = f"no progress for {now - self.heartbeat.last_beat:.1f} s"
        if self._policy is not None and self._task is not None:
            self._cancelled_at = now
            self._task.cancel()
        self._owner.tell(TaskEvent.HUNG, self.name, None)

    def _abandon(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            self._owner.keep(task)
        self.last_error = f"{self.last_error}, and did not end when it was cancelled"
        self._plan_restart()
        self._owner.tell(TaskEvent.ABANDONED, self.name, None)

    def grant(self, seconds: float) -> None:
        """Nobody could make progress for so long: all that is measured for this task is put off."""
        self.heartbeat.grant(seconds)
        if self._cancelled_at is not None:
            self._cancelled_at += seconds

    def cancel(self) -> asyncio.Task[None] | None:
        """End it for good; the run that may still have to end."""
        self.state = TaskState.STOPPED
        self._restart_at = self._cancelled_at = None
        task, self._task = self._task, None
        if task is not None:
            self._owner.keep(task)
            task.cancel()
        return task

    def status(self, now: float) -> TaskStatus:
        """As it is shown."""
        silent_s = 0.0 if self.heartbeat.waiting else max(0.0, now - self.heartbeat.last_beat)
        return TaskStatus(self.name, self.state, silent_s, self.restarts, self.last_error)

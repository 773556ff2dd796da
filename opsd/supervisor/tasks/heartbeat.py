"""How a long-lived task tells that it makes progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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

    def grant(self, seconds: float) -> None:
        """More time until the next beat: for work that may take longer, or where nobody could have made progress."""
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

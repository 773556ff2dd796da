"""Following one loop: turns news from its stream, or from its files, into entries of the work queue.

A follower never reads events itself: it says that there is something, and the pass that follows reads everything
behind its own cursor. A lost or repeated notification therefore costs a pass at most, never an event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from opsd.contract.errors import OpsError
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.observation import Follow
from opsd.supervisor.tasks.backoff import next_delay
from opsd.supervisor.tasks.supervisor import Heartbeat
from opsd.transport.stream import StreamNotOfferedError


class NewsSource(Protocol):
    """Where news of one loop comes from."""

    def news(self, *, after: int) -> AsyncIterator[int | None]:
        """Line offsets as they are reached, beginning behind line ``after``; ends or raises when the source ends.

        None is a sign of life, without news.

        Raises:
            StreamNotOfferedError: there is no such source for this loop.
            OpsError: the connection failed.
        """
        ...


class FollowReporter(Protocol):
    """Who hears of news and of broken sources."""

    def news(self, loop: ManagedLoop) -> None:
        """There may be events behind the loop's cursor."""
        ...

    def connected(self, loop: ManagedLoop) -> None:
        """A source of news is being opened."""
        ...

    def broken(self, loop: ManagedLoop, error: OpsError | OSError, retry_s: float) -> None:
        """The source ended; it is opened again after ``retry_s`` seconds."""
        ...


class LoopFollower:
    """One long-lived task per loop: holds a source of news open whenever the loop's plan says so."""

    def __init__(
        self,
        loop: ManagedLoop,
        source: NewsSource,
        reporter: FollowReporter,
        *,
        retry_base_s: float,
        retry_cap_s: float,
        rand: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._source = source
        self._reporter = reporter
        self._retry_base_s = retry_base_s
        self._retry_cap_s = retry_cap_s
        self._rand = rand
        self._failures = 0

    async def run(self, heartbeat: Heartbeat) -> None:
        """Follow for ever; cancelled when the loop leaves the fleet."""
        loop = self._loop
        while True:
            loop.plan_changed.clear()
            heartbeat.beat()
            if loop.plan.follow is Follow.STREAM:
                await self._hold(heartbeat)
            else:
                with heartbeat.idle():
                    await loop.plan_changed.wait()

    async def _hold(self, heartbeat: Heartbeat) -> None:
        """Read news until the plan changes or the source breaks; then wait before the next try."""
        loop = self._loop
        retry_s = 0.0
        try:
            async with asyncio.timeout(None) as until_replanned:
                loop.on_replan = lambda: until_replanned.reschedule(0)
                try:
                    self._reporter.connected(loop)
                    async for offset in self._source.news(after=loop.cursor_offset):
                        heartbeat.beat()
                        if offset is not None:
                            self._failures = 0
                            self._reporter.news(loop)
                finally:
                    loop.on_replan = None
            retry_s = self._next_retry()
        except TimeoutError:
            return
        except StreamNotOfferedError:
            loop.stream_not_offered()
            self._reporter.news(loop)  # the pass that follows sets the pace of polling
            return
        except (OpsError, OSError) as error:
            retry_s = self._next_retry()
            self._reporter.broken(loop, error, retry_s)
        # What was missed while the stream was down is told by nobody: look once, then connect again.
        self._reporter.news(loop)
        with heartbeat.idle(), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(retry_s):
                await loop.plan_changed.wait()

    def _next_retry(self) -> float:
        self._failures += 1
        return next_delay(
            self._failures, base_s=self._retry_base_s, cap_s=self._retry_cap_s, jitter=0.2, rand=self._rand()
        )

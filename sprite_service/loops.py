"""The loops of the repo behind the service: one reader each, kept while it is used, one caller at a time.

Reading files is one hop to a worker thread. The one exception is a snapshot of an unchanged loop: six stats of local
files cost less than the hop, and are done on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.runtime.reader import LoopReader, PollResult

T = TypeVar("T")

#: Threads that read files; the loops of one VM are few.
_THREADS = 4


class LoopEntry:
    """A reader and the lock that lets one caller at a time use it."""

    __slots__ = ("lock", "reader")

    def __init__(self, reader: LoopReader) -> None:
        self.reader = reader
        self.lock = asyncio.Lock()


class Loops:
    """Readers by loop id, the least recently used dropped first."""

    def __init__(self, repo: str, *, max_cached: int, max_line_bytes: int) -> None:
        self.repo = repo
        self._max_cached = max_cached
        self._max_line_bytes = max_line_bytes
        self._entries: OrderedDict[str, LoopEntry] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")

    def __len__(self) -> int:
        return len(self._entries)

    def _entry(self, loop_id: LoopId) -> LoopEntry:
        entry = self._entries.get(loop_id)
        if entry is None:
            entry = LoopEntry(LoopReader(self.repo, loop_id, max_line_bytes=self._max_line_bytes))
            self._entries[loop_id] = entry
            for name in list(self._entries):
                if len(self._entries) <= self._max_cached:
                    break
                if not self._entries[name].lock.locked() and name != loop_id:
                    del self._entries[name]
        else:
            self._entries.move_to_end(loop_id)
        return entry

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _alone(self, entry: LoopEntry, work: Callable[[], T]) -> T:
        """Run ``work`` while nobody else uses the entry's reader, until it has really ended.

        A client that goes away ends the waiting, not the thread: the lock is the thread's, not the caller's.
        """
        await entry.lock.acquire()
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)

        def ended(future: asyncio.Future[T]) -> None:
            entry.lock.release()
            if not future.cancelled():
                future.exception()  # seen, also when nobody waits for it any more

        running.add_done_callback(ended)
        return await asyncio.shield(running)

    def known_snapshot(self, loop_id: LoopId, trace_id: str | None) -> bytes | None:
        """The snapshot envelope as JSON if stats show that nothing changed; else None."""
        entry = self._entries.get(loop_id)
        if entry is None or entry.lock.locked():
            return None
        self._entries.move_to_end(loop_id)
        return entry.reader.cached_snapshot_bytes(now=format_utc(time.time()), trace_id=trace_id)

    async def snapshot(self, loop_id: LoopId, trace_id: str | None) -> bytes:
        """The snapshot envelope as JSON, read anew where something changed.

        Raises:
            OpsError: see :meth:`LoopReader.snapshot`.
        """
        entry = self._entry(loop_id)
        now = format_utc(time.time())
        return await self._alone(entry, lambda: entry.reader.snapshot_bytes(now=now, trace_id=trace_id))

    async def poll(
        self,
        loop_id: LoopId,
        *,
        offset: int,
        max_events: int,
        trace_id: str | None,
        render: Callable[[PollResult], T],
        anchor: str | None = None,
        skip_line: int | None = None,
    ) -> tuple[PollResult, T]:
        """The events behind ``offset``, and what ``render`` makes of them in the same thread.

        Raises:
            OpsError: see :meth:`LoopReader.poll`.
        """
        entry = self._entry(loop_id)
        now = format_utc(time.time())

        def work() -> tuple[PollResult, T]:
            found = entry.reader.poll(
                offset=offset, max_events=max_events, now=now, trace_id=trace_id, anchor=anchor, skip_line=skip_line
            )
            return found, render(found)

        return await self._alone(entry, work)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

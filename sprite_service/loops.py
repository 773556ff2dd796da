"""The loops of the repo behind the service: one reader each, kept while it is used, one caller at a time.

Reading files is one hop to a worker thread. The one exception is a snapshot of an unchanged loop: six stats of local
files cost less than the hop, and are done on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.runtime.reader import LoopReader, PollResult
from opsd.runtime.readers import Readers

T = TypeVar("T")

#: Threads that read files; the loops of one VM are few.
_THREADS = 4


class Loops:
    """Reads loops by id. ``max_cached`` readers are kept."""

    def __init__(self, repo: str, *, max_cached: int, max_line_bytes: int) -> None:
        self.repo = repo
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")
        self._readers = Readers(repo, self._run, max_cached=max_cached, max_line_bytes=max_line_bytes)

    def __len__(self) -> int:
        return len(self._readers)

    def _run(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work in a reader thread."""
        return await self._run(work)

    def known_snapshot(self, loop_id: LoopId, trace_id: str | None) -> bytes | None:
        """The snapshot envelope as JSON if stats show that nothing changed; else None."""
        reader = self._readers.idle(loop_id)
        return None if reader is None else reader.cached_snapshot_bytes(now=format_utc(time.time()), trace_id=trace_id)

    async def snapshot(self, loop_id: LoopId, trace_id: str | None) -> bytes:
        """The snapshot envelope as JSON, read anew where something changed.

        Raises:
            OpsError: see :meth:`LoopReader.snapshot`.
        """
        now = format_utc(time.time())
        return await self._readers.use(loop_id, lambda reader: reader.snapshot_bytes(now=now, trace_id=trace_id))

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
        now = format_utc(time.time())

        def work(reader: LoopReader) -> tuple[PollResult, T]:
            found = reader.poll(
                offset=offset, max_events=max_events, now=now, trace_id=trace_id, anchor=anchor, skip_line=skip_line
            )
            return found, render(found)

        return await self._readers.use(loop_id, work)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

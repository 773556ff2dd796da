"""Readers of many loops, kept while they are used: one caller at a time each, for a process that serves requests.

A reader knows its journal's index, so that a page in the middle costs what the page holds and not the file's size.
Reading is one hop to a worker thread. Lives on an event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from opsd.contract.ids import LoopId
from opsd.runtime.journal import DEFAULT_MAX_LINE_BYTES
from opsd.runtime.reader import LoopReader
from opsd.runtime.threads import InThread

T = TypeVar("T")


class HeldReader:
    """A reader and the lock that lets one caller at a time use it."""

    __slots__ = ("lock", "reader")

    def __init__(self, reader: LoopReader) -> None:
        self.reader = reader
        self.lock = asyncio.Lock()


class Readers:
    """Readers by loop id, the least recently used dropped first."""

    def __init__(
        self, repo: str, in_thread: InThread, *, max_cached: int, max_line_bytes: int = DEFAULT_MAX_LINE_BYTES
    ) -> None:
        self._repo = repo
        self._in_thread = in_thread
        self._max_cached = max_cached
        self._max_line_bytes = max_line_bytes
        self._held: OrderedDict[str, HeldReader] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def idle(self, loop_id: LoopId) -> LoopReader | None:
        """The loop's reader, if there is one and nobody uses it."""
        held = self._held.get(loop_id)
        if held is None or held.lock.locked():
            return None
        self._held.move_to_end(loop_id)
        return held.reader

    async def use(self, loop_id: LoopId, work: Callable[[LoopReader], T]) -> T:
        """Run blocking ``work`` in a thread while nobody else uses the loop's reader, until it has really ended.

        A client that goes away ends the waiting, not the thread: the lock is the thread's, not the caller's.
        """
        held = self._hold(loop_id)
        await held.lock.acquire()
        running: asyncio.Future[T] = self._in_thread(work, held.reader)

        def ended(future: asyncio.Future[T]) -> None:
            held.lock.release()
            if not future.cancelled():
                future.exception()  # seen, also when nobody waits for it any more

        running.add_done_callback(ended)
        return await asyncio.shield(running)

    def _hold(self, loop_id: LoopId) -> HeldReader:
        held = self._held.get(loop_id)
        if held is not None:
            self._held.move_to_end(loop_id)
            return held
        held = HeldReader(LoopReader(self._repo, loop_id, max_line_bytes=self._max_line_bytes))
        self._held[loop_id] = held
        for name in list(self._held):
            if len(self._held) <= self._max_cached:
                break
            if not self._held[name].lock.locked() and name != loop_id:
                del self._held[name]
        return held

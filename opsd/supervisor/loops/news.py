"""Sources of news: a loop's stream over HTTP, or the files of a loop on this host."""

from __future__ import annotations

from collections.abc import AsyncIterator

from opsd.contract.ids import LoopId
from opsd.runtime.watcher import JournalWatcher


class LocalNews:
    """Tells when a loop's files change, through the process's one watcher, and of itself every ``alive_s`` seconds."""

    def __init__(self, watcher: JournalWatcher, repo: str, loop_id: LoopId, *, alive_s: float) -> None:
        self._alive_s = alive_s
        self._watcher = watcher
        self._repo = repo
        self._loop_id = loop_id

    async def news(self, *, after: int) -> AsyncIterator[int | None]:
        """``after`` for each change: how far the journal reaches is the pass's business. Never ends by itself."""
        subscription = self._watcher.subscribe(self._repo, self._loop_id)
        try:
            yield after  # what came between the last pass and this watch is told by nobody
            while True:
                yield after if await subscription.wait(self._alive_s) else None
        finally:
            subscription.close()

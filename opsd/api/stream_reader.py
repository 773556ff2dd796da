"""One reader of the stream: how far it has come, what it may see, how much it asked for, and its bytes on the wire.

While a reader has taken everything, no task works for it: when something changes, :meth:`StreamReader.advance` writes
to its connection in the turn in which all other readers get it too. Its own task is called for what takes time: a
reader that lags behind, and the end of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from opsd.api.changes import ChangeFeed, Frame

#: Frames that a reader is sent before it has taken them: what a slow one costs in memory.
BATCH_FRAMES = 32


class StreamEnd(StrEnum):
    """Why a stream ends, as its ``end`` event says."""

    UNAUTHORIZED = "unauthorized"
    SHUTDOWN = "shutdown"
    MAX_EVENTS = "max_events"
    FOR_SECONDS = "for_seconds"


class StreamReader:
    """For the event loop's thread.

    Args:
        chunked: the answer is sent in chunks, as HTTP/1.1 has it.
        position: the number of the last frame that the reader knows.
        sight: of some frames those that it gets; None: it may not read on. Asked before anything is sent.
        max_events: its stream ends behind so many frames; None: at no number.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        transport: asyncio.Transport,
        *,
        chunked: bool,
        position: int,
        sight: Callable[[list[Frame]], list[Frame] | None],
        max_events: int | None,
    ) -> None:
        self.end: StreamEnd | None = None
        self._feed = feed
        self._transport = transport
        self._chunked = chunked
        self._position = position
        self._sight = sight
        self._left = max_events
        #: Set while the reader has everything: done when its own task has to see to it.
        self._called: asyncio.Future[None] | None = None

    @property
    def has_everything(self) -> bool:
        """Nothing that it was not sent yet is in the ring."""
        return self._position >= self._feed.last

    def take(self) -> bytes:
        """The next bytes for it, a batch at most; sets :attr:`end` when nothing may come behind them."""
        frames, gap = self._feed.behind(self._position, BATCH_FRAMES)
        seen = self._sight(frames)
        if seen is None:
            self.end = StreamEnd.UNAUTHORIZED
            return b""
        data = gap_event(self._feed, frames[0].number - 1) if gap else b""
        if frames:
            self._position = frames[-1].number
        if self._left is not None:
            seen = seen[: self._left]
            self._left -= len(seen)
        if self._left == 0:
            self.end = StreamEnd.MAX_EVENTS
        elif self._feed.ended and self.has_everything:
            self.end = StreamEnd.SHUTDOWN
        return data + b"".join([frame.data for frame in seen])

    def send(self, data: bytes) -> None:
        """Hand bytes to the connection, which holds what the reader does not take at once."""
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def advance(self, comment: bytes = b"") -> None:
        """Send what is new, and a comment, to a reader that has everything; one that lags is left to its task."""
        called = self._called
        if called is None or called.done():
            return
        try:
            if not self._transport.get_write_buffer_size() and not self._transport.is_closing():
                self.send(self.take() + comment)
                if self.end is None and self.has_everything:
                    return
        except Exception as error:  # noqa: BLE001 - told by the reader's task, and no trouble of the others
            called.set_exception(error)
        else:
            called.set_result(None)

    async def wait(self, until: float | None) -> None:
        """Let the reader be served by :meth:`advance`, until its task has to see to it, or that loop time has come."""
        self._called = asyncio.get_running_loop().create_future()
        self._feed.listen(self.advance)
        try:
            async with asyncio.timeout_at(until):
                await self._called
        except TimeoutError:
            self.end = StreamEnd.FOR_SECONDS
        finally:
            self._feed.unlisten(self.advance)
            self._called = None


def gap_event(feed: ChangeFeed, position: int) -> bytes:
    """What was between is gone; the current state has to be read again."""
    return f'id: {feed.id_of(position)}\nevent: gap\ndata: {{"reason":"changes_lost"}}\n\n'.encode()

"""``/api/v1/stream``: Server-Sent Events of every change, resumable by ``Last-Event-ID``.

Guarantees: a frame was encoded once for all; a reader that asks for a place that the ring has left, or that is of the
daemon's former life, gets a ``gap`` event and goes on from now: it has to read the current state again. A reader is
sent one batch at a time, and cut off when it does not take it within :data:`WRITE_TIMEOUT_S`; a principal gets frames
of the loops only that it may read when they are sent, and none once its token does not work any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import HttpVersion11, web

from opsd.access.authenticate import Extent, Identity, authorize
from opsd.access.model import Scope
from opsd.api.changes import ChangeFeed, Frame
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.ports import Gate
from opsd.api.route import PREFIX, Call
from opsd.api.stream_reader import StreamReader, gap_event

STREAM_PATH = f"{PREFIX}/stream"
KEEPALIVE_S = 15.0
WRITE_TIMEOUT_S = 10.0
#: Instead, once the daemon ends: one that takes nothing must not hold that up.
END_TIMEOUT_S = 1.0
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Streams:
    """Those that are open; one timer keeps all of them alive. How many may be is :mod:`opsd.api.shares`' business."""

    def __init__(self) -> None:
        self._readers: set[StreamReader] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def holding(self, reader: StreamReader) -> Iterator[None]:
        """The reader's stream is open."""
        self._readers.add(reader)
        if self._timer is None:
            self._wind()
        try:
            yield
        finally:
            self._readers.discard(reader)

    def _wind(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._keep_alive)

    def _keep_alive(self) -> None:
        self._timer = None
        for reader in self._readers:
            reader.advance(b": keep-alive\n\n")
        if self._readers:
            self._wind()


_STREAMS = web.AppKey("opsd_streams", Streams)


def hold_streams(app: web.Application) -> None:
    """Give an application its streams."""
    app[_STREAMS] = Streams()


async def serve_stream(call: Call) -> web.StreamResponse:
    """Answer with a stream until the client or the daemon ends it.

    Raises:
        ApiError: the daemon is ending.
    """
    feed, request, streams = call.host.changes, call.request, call.request.app[_STREAMS]
    if feed.ended:
        raise ApiError(ErrorCode.BUSY, "the daemon is ending")
    transport = request.transport
    if transport is None:  # the client has gone
        return web.Response()
    position, lost = _start(request.headers.get("Last-Event-ID", "").strip(), feed)
    reader = StreamReader(
        feed,
        transport,
        chunked=request.version >= HttpVersion11,
        position=position,
        sight=_Sight(call.gate, call.identity, call.query.loop),
        max_events=call.query.maxEvents,
    )
    greeting = gap_event(feed, position) if lost else _hello(feed, position)
    with streams.holding(reader):
        return await _serve(request, transport, feed, reader, greeting, call.query.forSeconds)


async def _serve(
    request: web.Request,
    transport: asyncio.Transport,
    feed: ChangeFeed,
    reader: StreamReader,
    greeting: bytes,
    for_s: int | None,
) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    until = None if for_s is None else asyncio.get_running_loop().time() + for_s
    transport.set_write_buffer_limits(0)  # so that drained means: the reader has taken everything
    try:
        await response.write(b"retry: 1000\n\n" + greeting)
        while reader.end is None:
            await _drained(request, feed)
            reader.send(reader.take())
            if reader.end is None and reader.has_everything:
                await reader.wait(until)
        await _drained(request, feed)
        reader.send(b'event: end\ndata: {"reason":"%b"}\n\n' % reader.end.encode())
        await _drained(request, feed)
        transport.set_write_buffer_limits()
    except TimeoutError:  # it reads nothing any more
        transport.abort()
    except ConnectionError:  # it has gone
        pass
    return response


async def _drained(request: web.Request, feed: ChangeFeed) -> None:
    """Wait until the reader has taken what it was sent.

    Raises:
        TimeoutError: it does not.
        ConnectionError: it has gone.
    """
    async with asyncio.timeout(WRITE_TIMEOUT_S) as patience:

        def hurry() -> None:
            if feed.ended:
                patience.reschedule(asyncio.get_running_loop().time() + END_TIMEOUT_S)

        hurry()
        feed.listen(hurry)
        try:
            await request.writer.drain()
        finally:
            feed.unlisten(hurry)
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError("the client has gone")


def _start(last_event_id: str, feed: ChangeFeed) -> tuple[int, bool]:
    """Where a reader begins, and whether it has lost something."""
    if not last_event_id:
        return feed.last, False
    position = feed.position_of(last_event_id)
    return (feed.last, True) if position is None else (position, False)


class _Sight:
    """What a reader sees: of the loop that it asked for (None: of everything) as much as it may by now."""

    def __init__(self, gate: Gate, identity: Identity, loop: str | None) -> None:
        self._gate = gate
        self._identity = identity
        self._loop = loop

    def __call__(self, frames: list[Frame]) -> list[Frame] | None:
        identity = self._gate.renewed(self._identity)
        if identity is None or not authorize(identity, Scope.READ, Extent.LISTING):
            return None
        whole = authorize(identity, Scope.READ, Extent.FLEET)
        if whole and self._loop is None:
            return frames
        return [frame for frame in frames if self._sees(identity, frame)]

    def _sees(self, identity: Identity, frame: Frame) -> bool:
        if frame.loop is None:
            return False  # about the fleet as a whole
        return self._loop in (None, frame.loop) and authorize(identity, Scope.READ, frame.loop)


def _hello(feed: ChangeFeed, position: int) -> bytes:
    return f'id: {feed.id_of(position)}\nevent: hello\ndata: {{"schemaVersion":"v1"}}\n\n'.encode()

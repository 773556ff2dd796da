"""``/api/v1/stream``: Server-Sent Events of every change, resumable by ``Last-Event-ID``.

Guarantees: a frame was encoded once for all; a reader that asks for a place that the ring has left, or that is of the
daemon's former life, gets a ``gap`` event and goes on from now: it has to read the current state again. A reader that
takes nothing for :data:`WRITE_TIMEOUT_S` is cut off; a principal gets frames of the loops only that it may read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from opsd.access.authenticate import Extent, Identity, authorize
from opsd.access.model import Scope
from opsd.api.changes import ChangeFeed, Frame
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.models import StreamQuery
from opsd.api.route import PREFIX, Call

STREAM_PATH = f"{PREFIX}/stream"
KEEPALIVE_S = 15.0
WRITE_TIMEOUT_S = 10.0
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_OPEN = web.AppKey("opsd_open_streams", list[int])


async def serve_stream(call: Call) -> web.StreamResponse:
    """Answer with a stream until the client or the daemon ends it.

    Raises:
        ApiError: there are too many streams, or the daemon is ending.
    """
    feed, request = call.host.changes, call.request
    open_streams = request.app[_OPEN]
    if feed.ended or open_streams[0] >= open_streams[1]:
        raise ApiError(ErrorCode.BUSY, "the daemon is ending" if feed.ended else "too many streams")
    open_streams[0] += 1
    try:
        return await _serve(request, feed, _sees(call.identity, call.query), lambda: _still(call))
    finally:
        open_streams[0] -= 1


def count_streams(app: web.Application, most: int) -> None:
    """Give an application its count of streams, and their limit."""
    app[_OPEN] = [0, most]


def _still(call: Call) -> bool:
    """Whether who was let in may still read: a token that is revoked or expires ends its streams."""
    return call.gate.still(call.identity, Scope.READ, Extent.LISTING)


async def _serve(
    request: web.Request, feed: ChangeFeed, sees: Callable[[Frame], bool] | None, still: Callable[[], bool]
) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    position, lost = _start(request.headers.get("Last-Event-ID", "").strip(), feed)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await _write(response, b"retry: 1000\n\n" + (_gap(feed, position) if lost else _hello(feed, position)))
        while True:
            if not still():
                await _write(response, b'event: end\ndata: {"reason":"unauthorized"}\n\n')
                return response
            frames, gap = feed.behind(position)
            if gap:
                await _write(response, _gap(feed, frames[0].number - 1))
            if frames:
                position = frames[-1].number
                data = b"".join(frame.data for frame in frames if sees is None or sees(frame))
                if data:
                    await _write(response, data)
            elif feed.ended:
                await _write(response, b'event: end\ndata: {"reason":"shutdown"}\n\n')
                return response
            elif not await feed.moved(position, within_s=KEEPALIVE_S):
                await _write(response, b": keep-alive\n\n")
    except TimeoutError:  # it reads nothing any more
        if request.transport is not None:
            request.transport.abort()
        return response


def _start(last_event_id: str, feed: ChangeFeed) -> tuple[int, bool]:
    """Where a reader begins, and whether it has lost something."""
    if not last_event_id:
        return feed.last, False
    position = feed.position_of(last_event_id)
    return (feed.last, True) if position is None else (position, False)


def _sees(identity: Identity, query: StreamQuery) -> Callable[[Frame], bool] | None:
    """Which frames a reader gets; None: all of them."""
    whole = authorize(identity, Scope.READ, Extent.FLEET)
    if whole and query.loop is None:
        return None

    def sees(frame: Frame) -> bool:
        if frame.loop is None:
            return whole and query.loop is None
        return query.loop in (None, frame.loop) and authorize(identity, Scope.READ, frame.loop)

    return sees


def _hello(feed: ChangeFeed, position: int) -> bytes:
    return f'id: {feed.id_of(position)}\nevent: hello\ndata: {{"schemaVersion":"v1"}}\n\n'.encode()


def _gap(feed: ChangeFeed, position: int) -> bytes:
    """What was between is gone; the current state has to be read again."""
    return f'id: {feed.id_of(position)}\nevent: gap\ndata: {{"reason":"changes_lost"}}\n\n'.encode()


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)

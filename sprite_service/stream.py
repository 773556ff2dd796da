"""``GET /ops/events/stream``: the events of one loop as Server-Sent Events, as they are written.

``id`` is the line offset, ``event`` is ``loop_run_event`` and ``data`` the envelope that a poll would give. A client
resumes with ``Last-Event-ID`` (or ``cursor=``). What goes wrong before the first byte is an ordinary error answer;
later it is an ``error`` frame with the contract's error object, after which the stream ends. A stream that ends for
another reason says so in an ``end`` frame. Nothing is buffered beyond one page: a client that does not read within the
write limit is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.ids import LoopId
from opsd.runtime.reader import PollResult
from opsd.runtime.watcher import JournalWatcher, Subscription
from sprite_service.answers import Refusal
from sprite_service.config import Config
from sprite_service.loops import Loops
from sprite_service.metrics import ServiceMetrics

#: What a client may ask for at most as the time after which its stream ends.
MAX_STREAM_S = 3600.0
#: Events read at a time for one client.
_PAGE = 100
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class StreamQuery:
    """What a client asks for: events behind ``offset``, at most so many (0: any number), for a time (None: any)."""

    loop_id: LoopId
    offset: int
    max_events: int
    for_s: float | None


class EventStreams:
    """All open streams of the service."""

    def __init__(self, config: Config, loops: Loops, watcher: JournalWatcher, metrics: ServiceMetrics) -> None:
        self._config = config
        self._loops = loops
        self._watcher = watcher
        self._metrics = metrics
        self._by_peer: Counter[str] = Counter()
        self.ending = asyncio.Event()

    async def serve(
        self,
        request: web.BaseRequest,
        query: StreamQuery,
        trace_id: str | None,
        *,
        may_go_on: Callable[[], bool],
    ) -> web.StreamResponse:
        """Answer with a stream, for as long as ``may_go_on``: it is asked before everything that is sent.

        Raises:
            Refusal: too many streams, or the service is ending.
            OpsError: the loop cannot be read from the offset.
        """
        peer = request.remote or ""
        limits = self._config.limits
        if self.ending.is_set():
            raise Refusal(503, "shutting_down", "the service is shutting down")
        if self._metrics.streams >= limits.max_streams or self._by_peer[peer] >= limits.max_streams_per_client:
            raise Refusal(503, "overloaded", "too many event streams")
        self._metrics.streams += 1
        self._by_peer[peer] += 1
        subscription = self._watcher.subscribe(self._loops.repo, query.loop_id)
        try:
            page, frames = await self._page(query, query.offset, trace_id)
            self._metrics.streams_started += 1
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            try:
                await self._write(response, b"retry: 2000\n\n")
                await self._follow(response, query, page, frames, trace_id, subscription, may_go_on)
            except TimeoutError:
                self._metrics.streams_dropped += 1
                if request.transport is not None:
                    request.transport.abort()
            return response
        finally:
            subscription.close()
            self._metrics.streams -= 1
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    async def _follow(
        self,
        response: web.StreamResponse,
        query: StreamQuery,
        page: PollResult,
        frames: bytes,
        trace_id: str | None,
        subscription: Subscription,
        may_go_on: Callable[[], bool],
    ) -> None:
        """Send the first page and all that follow, and at the end why it ends."""
        started, sent = time.monotonic(), 0
        while True:
            wait_s = self._config.keepalive_s
            if query.for_s is not None:
                wait_s = min(wait_s, started + query.for_s - time.monotonic())
            if not may_go_on():
                reason = b"unauthorized"
                break
            if page.events:
                await self._write(response, frames)
                sent += len(page.events)
                self._metrics.events_sent += len(page.events)
                if sent == query.max_events:
                    reason = b"max_events"
                    break
            elif self.ending.is_set():
                reason = b"shutdown"
                break
            elif wait_s <= 0:
                reason = b"for_seconds"
                break
            elif not await subscription.wait(wait_s) and may_go_on():
                await self._write(response, b": keep-alive\n\n")
            try:
                page, frames = await self._page(query, page.offset, trace_id, sent=sent, anchor=page.anchor)
            except OpsError as error:
                await self._write(response, error_frame(error))
                return
        await self._write(response, b'event: end\ndata: {"reason":"%b"}\n\n' % reason)

    async def _page(
        self, query: StreamQuery, offset: int, trace_id: str | None, *, sent: int = 0, anchor: str | None = None
    ) -> tuple[PollResult, bytes]:
        limit = min(_PAGE, query.max_events - sent) if query.max_events else _PAGE
        return await self._loops.poll(
            query.loop_id, offset=offset, max_events=limit, trace_id=trace_id, render=render_frames, anchor=anchor
        )

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._config.limits.write_timeout_s):
            await response.write(data)

    def end_all(self) -> None:
        """Let every stream end in good order."""
        self.ending.set()
        self._watcher.tell_all()


def render_frames(page: PollResult) -> bytes:
    """One frame per event."""
    return b"".join(
        b"id: %d\nevent: loop_run_event\ndata: %b\n\n" % (event["sequence"]["value"], jsoncodec.dumps(event))
        for event in page.events
    )


def error_frame(error: OpsError) -> bytes:
    """The contract's error object as a frame."""
    body = {"ok": False, "error": {"code": "runtime_error", "message": f"error: {error.message}"}}
    return b"event: error\ndata: " + jsoncodec.dumps(body) + b"\n\n"

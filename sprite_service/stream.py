"""``GET /ops/events/stream``: the events of one loop as Server-Sent Events, as they are written.

``id`` is the line offset, ``event`` is ``loop_run_event`` and ``data`` the envelope that a poll would give. A client
resumes with ``Last-Event-ID`` (or ``cursor=``). What goes wrong before the first byte is an ordinary error answer;
later it is an ``error`` frame with the contract's error object, after which the stream ends. Nothing is buffered
beyond one page: a client that does not read within the write limit is dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.ids import LoopId
from opsd.runtime.reader import PollResult
from opsd.runtime.watcher import JournalWatcher
from sprite_service.answers import Refusal
from sprite_service.config import Config
from sprite_service.loops import Loops
from sprite_service.metrics import ServiceMetrics

#: Events read at a time for one client.
_PAGE = 100
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


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
        loop_id: LoopId,
        offset: int,
        trace_id: str | None,
        *,
        may_go_on: Callable[[], bool],
    ) -> web.StreamResponse:
        """Answer with a stream, for as long as ``may_go_on``: it is asked before everything that is sent.

        Raises:
            Refusal: too many streams, or the service is ending.
            OpsError: the loop cannot be read from ``offset``.
        """
        peer = request.remote or ""
        limits = self._config.limits
        if self.ending.is_set():
            raise Refusal(503, "shutting_down", "the service is shutting down")
        if self._metrics.streams >= limits.max_streams or self._by_peer[peer] >= limits.max_streams_per_client:
            raise Refusal(503, "overloaded", "too many event streams")
        self._metrics.streams += 1
        self._by_peer[peer] += 1
        subscription = self._watcher.subscribe(self._loops.repo, loop_id)
        try:
            page, frames = await self._page(loop_id, offset, trace_id, None)
            self._metrics.streams_started += 1
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            await self._write(response, b"retry: 2000\n\n")
            while True:
                if not may_go_on():
                    await self._write(response, b'event: end\ndata: {"reason":"unauthorized"}\n\n')
                    return response
                if page.events:
                    await self._write(response, frames)
                    self._metrics.events_sent += len(page.events)
                    page, frames = await self._page(loop_id, page.offset, trace_id, page.anchor)
                    continue
                if self.ending.is_set():
                    await self._write(response, b'event: end\ndata: {"reason":"shutdown"}\n\n')
                    return response
                if not await subscription.wait(self._config.keepalive_s) and may_go_on():
                    await self._write(response, b": keep-alive\n\n")
                try:
                    page, frames = await self._page(loop_id, page.offset, trace_id, page.anchor)
                except OpsError as error:
                    await self._write(response, error_frame(error))
                    return response
        except TimeoutError:
            self._metrics.streams_dropped += 1
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            subscription.close()
            self._metrics.streams -= 1
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    async def _page(
        self, loop_id: LoopId, offset: int, trace_id: str | None, anchor: str | None
    ) -> tuple[PollResult, bytes]:
        return await self._loops.poll(
            loop_id, offset=offset, max_events=_PAGE, trace_id=trace_id, render=render_frames, anchor=anchor
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

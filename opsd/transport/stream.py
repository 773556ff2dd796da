"""One loop's event stream as a source of news: connects, resumes, notices a dead connection.

Only the offsets of frames are believed, and only as a hint: the pass that follows reads behind its own cursor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import aiohttp
from yarl import URL

from opsd.contract.errors import OpsError
from opsd.contract.values import is_digits
from opsd.net.bodies import BodyTooLargeError, read_bounded
from opsd.transport.answers import bounded_message
from opsd.transport.http_client import ServiceClient
from opsd.transport.sse import Frame, SseParser, StreamError

_ERROR_BODY_LIMIT = 64 * 1024
_CHUNK_BYTES = 16 * 1024


def pause_after(work_s: float) -> float:
    """Seconds to rest after ``work_s`` seconds with one piece of a stream.

    What a service sends when it has something to tell costs next to nothing. One that floods its stream, from malice or
    by mistake, gets a tenth of the event loop's time and no more; TCP makes it wait.
    """
    return min(9 * work_s, 1.0) if work_s > 0.001 else 0.0


def _offset(frame: Frame) -> int | None:
    return int(frame.last_id) if is_digits(frame.last_id) and len(frame.last_id) < 16 else None


class StreamNotOfferedError(OpsError):
    """The service has no event stream."""

    default_code = "stream_not_offered"


class EventStream:
    """The stream of one loop of one service.

    Args:
        idle_timeout_s: seconds without a byte (events or keep-alives) after which the connection counts as dead.
        max_frame_bytes: longest frame that is read.
        on_request: told of every connection.
    """

    def __init__(
        self,
        client: ServiceClient,
        *,
        base_url: str,
        loop_id: str,
        token: str | None,
        idle_timeout_s: float = 45.0,
        max_frame_bytes: int = 64 * 1024 * 1024,
        on_request: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._path = f"/ops/events/stream?loopId={quote(loop_id, safe='')}"
        self._token = token
        self._idle_timeout_s = idle_timeout_s
        self._max_frame_bytes = max_frame_bytes
        self._on_request = on_request

    async def news(self, *, after: int) -> AsyncIterator[int | None]:
        """Line offsets as they come, behind line ``after``; ends when the service ends the stream in good order.

        Of offsets that come together the newest stands for all. None for bytes without news, as keep-alives are.

        Raises:
            StreamNotOfferedError: the service does not know streams.
            StreamError: the connection could not be made, broke, fell silent, or told of an error.
        """
        headers = self._client.headers(self._base_url, self._token, None)
        headers |= {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        url = URL(self._base_url.removesuffix("/") + self._path, encoded=True)
        limits = self._client.limits
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_timeout_s or None, sock_read=self._idle_timeout_s
        )
        if self._on_request is not None:
            self._on_request("stream")
        try:
            async with self._client.streams().get(
                url, headers=headers, allow_redirects=False, timeout=timeout, proxy=self._client.proxy_for(str(url))
            ) as answer:
                await self._check(answer)
                parser = SseParser(self._max_frame_bytes)
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    began = time.perf_counter()
                    frames = parser.feed(chunk)
                    last = next((frame for frame in frames if frame.event in ("error", "end")), None)
                    known = frames if last is None else frames[: frames.index(last)]
                    # Each offset takes in those before it.
                    yield next((found for frame in reversed(known) if (found := _offset(frame)) is not None), None)
                    if last is not None and last.event == "error":
                        raise StreamError(bounded_message(f"the stream reports {last.data}", self._token))
                    if last is not None:
                        return
                    if (pause_s := pause_after(time.perf_counter() - began)) > 0:
                        await asyncio.sleep(pause_s)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = "no sign of life in time" if isinstance(error, TimeoutError) else str(error)
            raise StreamError(
                bounded_message(f"stream broken: {reason or type(error).__name__}", self._token)
            ) from None

    async def _check(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status == 200 and answer.content_type == "text/event-stream":
            return
        if answer.status in (404, 405, 501) or answer.status == 200:
            raise StreamNotOfferedError("the service offers no event stream")
        try:
            text = (await read_bounded(answer.content, _ERROR_BODY_LIMIT)).decode("utf-8", "replace")
        except BodyTooLargeError as error:
            text = error.message
        raise StreamError(bounded_message(f"stream refused with status {answer.status}: {text}", self._token))

"""When an answer is over: once its client has taken it. Until then it costs memory, and the request its place."""

from __future__ import annotations

import asyncio

from aiohttp import web

#: How long a client may take to take its answer.
ANSWER_TIMEOUT_SECONDS = 30.0


async def taken(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """The answer, once its client has taken it or was cut off. A stream sends itself; one that was taken stays so."""
    if isinstance(answer, web.Response):
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await answer.prepare(request)
                await answer.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
    return answer

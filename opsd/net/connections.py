"""A listener's connections: so many at a time, and none for those who say nothing.

Each costs a file descriptor, which other work needs too, and whoever reaches the port can open one. Nobody keeps others
out by holding many: where all are taken, a new one takes the place of the one that has been without a request longest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web


class BoundedServer(web.Server):
    """Keeps to ``most`` connections, and cuts off those that send no request.

    Args:
        handle: answers requests.
        make_request: makes them of what arrives; None: as aiohttp does.
        silence_s: seconds within which a new connection has to send a request.
        options: those of :class:`aiohttp.web.Server`.
    """

    def __init__(
        self,
        handle: Any,
        make_request: Callable[..., web.BaseRequest] | None,
        most: int,
        *,
        silence_s: float,
        **options: Any,
    ) -> None:
        self._most = most
        self._silence_s = silence_s
        self._silent: dict[Any, asyncio.TimerHandle] = {}
        #: Those without a request that is being answered, the longest first.
        self._quiet: dict[Any, asyncio.Transport] = {}

        async def answering(request: web.BaseRequest) -> web.StreamResponse:
            try:
                answer: web.StreamResponse = await handle(request)
                return answer
            finally:
                if request.transport is not None:
                    self._quiet[request.protocol] = request.transport

        super().__init__(answering, request_factory=make_request, **options)
        really_make = self.request_factory

        def request_factory(message: Any, payload: Any, protocol: Any, *rest: Any) -> web.BaseRequest:
            self._has_spoken(protocol)
            self._quiet.pop(protocol, None)
            return really_make(message, payload, protocol, *rest)

        self.request_factory = request_factory

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """A client connected."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._most:
            # Who still takes its answer is not without a request yet.
            longest = next((one for one, its in self._quiet.items() if not its.get_write_buffer_size()), None)
            if longest is None:  # every other one is being answered
                transport.abort()
                return
            self._quiet.pop(longest).abort()
        self._quiet[handler] = transport
        self._silent[handler] = asyncio.get_running_loop().call_later(self._silence_s, transport.abort)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """A client is gone."""
        self._has_spoken(handler)
        self._quiet.pop(handler, None)
        super().connection_lost(handler, exc)

    def _has_spoken(self, handler: Any) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

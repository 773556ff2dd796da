"""The connections of the daemon's listener: so many at a time, and none for those who say nothing.

Each costs a file descriptor, which passes need too, and whoever reaches the port can open one. Nobody keeps others out
by holding many: where all are taken, a new one takes the place of the one that has been without a request longest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

#: Seconds within which a new connection has to send a request.
SILENCE_S = 10.0


class BoundedServer(web.Server):
    """Keeps to ``most`` connections, and cuts off those that send no request.

    Args:
        handle: answers requests.
        make_request: makes them of what arrives.
        options: those of :class:`aiohttp.web.Server`.
    """

    def __init__(self, handle: Any, make_request: Callable[..., web.BaseRequest], most: int, **options: Any) -> None:
        self._most = most
        self._silent: dict[Any, asyncio.TimerHandle] = {}
        #: Those without a request that is being answered, the longest first.
        self._quiet: dict[Any, asyncio.Transport] = {}

        def request_factory(message: Any, payload: Any, protocol: Any, *rest: Any) -> web.BaseRequest:
            self._has_spoken(protocol)
            self._quiet.pop(protocol, None)
            return make_request(message, payload, protocol, *rest)

        async def answering(request: web.BaseRequest) -> web.StreamResponse:
            try:
                answer: web.StreamResponse = await handle(request)
                return answer
            finally:
                if request.transport is not None:
                    self._quiet[request.protocol] = request.transport

        super().__init__(answering, request_factory=request_factory, **options)

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """A client connected."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._most:
            longest = next(iter(self._quiet), None)
            if longest is None:  # every other one is being answered
                transport.abort()
                return
            self._quiet.pop(longest).abort()
        self._quiet[handler] = transport
        self._silent[handler] = asyncio.get_running_loop().call_later(SILENCE_S, transport.abort)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """A client is gone."""
        self._has_spoken(handler)
        self._quiet.pop(handler, None)
        super().connection_lost(handler, exc)

    def _has_spoken(self, handler: Any) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()


class BoundedRunner(web.AppRunner):
    """An application behind a :class:`BoundedServer`; ``options`` are the server's."""

    def __init__(self, app: web.Application, most: int, **options: Any) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=options.pop("shutdown_timeout"), **options)
        self._most = most
        self._options = options

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()  # there is no other way to choose the class of an application's server
        return BoundedServer(server.request_handler, server.request_factory, self._most, **self._options)

"""The connections of the daemon's listener: passes need file descriptors too."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from opsd.net.connections import BoundedServer

#: Seconds within which a new connection has to send a request.
SILENCE_S = 10.0


class BoundedRunner(web.AppRunner):
    """An application behind a :class:`BoundedServer`; ``options`` are the server's."""

    def __init__(self, app: web.Application, most: int, **options: Any) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=options.pop("shutdown_timeout"), **options)
        self._most = most
        self._options = options

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()  # there is no other way to choose the class of an application's server
        return BoundedServer(
            server.request_handler, server.request_factory, self._most, silence_s=SILENCE_S, **self._options
        )

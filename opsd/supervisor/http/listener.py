"""The daemon's own listener: ``/metrics``, ``/healthz``, ``/readyz``; the API under ``/v1``
(:mod:`opsd.supervisor.http.v1`) and the control API (:mod:`opsd.api`) are mounted beside them.

Guarantees:

* metrics and probes are open and cheap; a scrape is sent in pieces and gives way to the event loop;
* the API asks :mod:`opsd.supervisor.http.access` about every request; who asks is bound to the log, and sees only
  the loops that they may read;
* headers, bodies and the number of requests at a time are bounded, a client that does not take its answer is cut off;
  places go to principals by the rule of :mod:`opsd.api.shares`, whatever part of the API is asked;
  probes and what ends a danger are answered however many requests there are, and scrapes keep nobody out but scrapes;
* an error is ``{"ok": false, "error": {"code", "message"}}``; a stack trace goes to the log and never to the caller.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from aiohttp import web

from opsd.access.authenticate import Identity
from opsd.api.application import Api
from opsd.api.failure import NotBegunError
from opsd.api.route import PREFIX
from opsd.api.shares import Place, Shares
from opsd.api.taken import taken
from opsd.contract.errors import UsageError
from opsd.supervisor.http.access import NOBODY, AccessRefused, Authenticator, identified
from opsd.supervisor.http.answers import error_response, json_response
from opsd.supervisor.http.connections import BoundedRunner
from opsd.supervisor.http.places import Places
from opsd.supervisor.http.v1 import LiveView, V1Routes, needed
from opsd.supervisor.metrics.exposition import CONTENT_TYPE
from opsd.supervisor.metrics.supervision import SupervisionMetrics

log = structlog.get_logger("opsd.supervisor.http")

SCRAPE_TIMEOUT_SECONDS = 30.0
SHUTDOWN_TIMEOUT_SECONDS = 5.0
#: Scrapes at a time: they are open to everybody.
MAX_SCRAPES = 8

_PROBES = frozenset({"/healthz", "/readyz"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Bounds of the listener, sizes in bytes."""

    max_body_bytes: int = 65_536
    max_header_bytes: int = 8_192
    max_requests: int = 64
    max_streams: int = 1_024

    @property
    def max_connections(self) -> int:
        """Those of streams and requests, and as many again that wait for something to ask."""
        return 2 * (self.max_requests + self.max_streams)


class HttpApi:
    """The listener. Make one, ``await start()``, and ``await stop()`` at the end."""

    def __init__(
        self,
        metrics: SupervisionMetrics,
        view: LiveView,
        *,
        access: Authenticator,
        control: Api | None = None,
        host: str = "127.0.0.1",
        port: int = 9464,
        limits: ApiLimits | None = None,
    ) -> None:
        self._metrics = metrics
        self._view = view
        self._host = host
        self._port = port
        self._v1 = V1Routes(view)
        self._access = access
        self._control = control
        self._limits = limits or ApiLimits()
        self._shares = control.shares if control else Shares({Place.READ: self._limits.max_requests}, access.principals)
        self._scrapes = Places(MAX_SCRAPES)
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Listen, and tell the address and the port that were taken.

        Raises:
            UsageError: the address cannot be listened on.
        """
        runner = BoundedRunner(
            self.app(),
            self._limits.max_connections,
            access_log=None,
            auto_decompress=False,  # what is small on the wire stays small
            max_line_size=self._limits.max_header_bytes,
            max_field_size=self._limits.max_header_bytes,
            keepalive_timeout=75.0,
            shutdown_timeout=SHUTDOWN_TIMEOUT_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise UsageError(f"http.host, http.port: cannot listen on {self._host}:{self._port}: {why}") from None
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        host, port = runner.addresses[0][:2]
        return str(host), int(port)

    async def stop(self) -> None:
        """Stop listening and let running requests end. May be called more than once."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        if self._control is not None:
            await self._control.drain(SHUTDOWN_TIMEOUT_SECONDS)

    def app(self) -> web.Application:
        """The application itself, without a listener."""
        app = web.Application(middlewares=[self._guard], client_max_size=self._limits.max_body_bytes)
        app.router.add_get("/metrics", self._metrics_page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._v1.mount(app)
        if self._control is not None:
            self._control.mount(app)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Bounds, authorization, and the one form of errors."""
        try:
            async with AsyncExitStack() as held:
                await self._admit(request, held)
                return await taken(request, await handler(request))
        except NotBegunError as busy:
            return error_response(busy.status, busy.code, busy.message, busy.headers)
        except AccessRefused as refused:
            return error_response(refused.status, refused.code, refused.message, refused.headers)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return error_response(error.status, _code(error.status), _MESSAGES.get(error.status, error.reason), allow)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("http.request_failed", method=request.method, route=_route(request))
            return error_response(500, "internal_error", "the request could not be answered; see the daemon's log")

    async def _admit(self, request: web.Request, held: AsyncExitStack) -> None:
        """What the request is and takes while it is answered. Probes take nothing, the control API sees to it itself.

        Raises:
            AccessRefused: who asks may not.
            NotBegunError: there is no place.
        """
        route = _route(request)
        if route in _PROBES or route.startswith(f"{PREFIX}/"):
            return
        if route == "/metrics":
            held.enter_context(self._scrapes.taking())
            return
        identity = await self._identify(request)
        await held.enter_async_context(self._shares.holding(Place.READ, identity or NOBODY))
        if identity is not None:
            held.enter_context(identified(identity))

    async def _identify(self, request: web.Request) -> Identity | None:
        """Who asks the API, None for what is open to everybody.

        Raises:
            AccessRefused: they may not.
        """
        if not request.path.startswith("/v1/"):
            return None
        return await self._access.check(request, *needed(request), open_on_loopback=True)

    async def _metrics_page(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        await response.prepare(request)
        try:
            async with asyncio.timeout(SCRAPE_TIMEOUT_SECONDS):
                if request.method != "HEAD":
                    async for piece in self._metrics.render():
                        await response.write(piece)
                await response.write_eof()
        except TimeoutError:  # a scraper that stopped reading must not hold its place for ever
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _healthz(self, _request: web.Request) -> web.Response:
        return json_response({"ok": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, reasons = self._view.readiness()
        self._metrics.set_ready(ready)
        return json_response({"ok": ready, "reasons": list(reasons)}, 200 if ready else 503)


_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 401: "unauthorized", 403: "forbidden"}
_MESSAGES = {404: "no such page", 405: "this method is not offered here", 413: "the request's body is too large"}


def _code(status: int) -> str:
    return _CODES.get(status, "invalid_request" if status < 500 else "internal_error")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"

"""The service: who may ask, who answers, and what bounds it (contract 30, section 6).

One handler for everything, found by a look-up: authentication comes first for every path, known or not, and a
request of an unchanged loop passes through nothing that it does not need.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable

from aiohttp import web

from opsd.access.authenticate import Extent
from opsd.access.authenticate import Refusal as Unknown
from opsd.access.model import Scope
from opsd.access.source import PrincipalsSource
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.timestamps import format_utc
from opsd.control.recovery import recover_all
from opsd.runtime.watcher import JournalWatcher
from sprite_service import principals
from sprite_service.access import Access, Caller, Handler
from sprite_service.answers import Refusal, invalid, json_bytes, json_response
from sprite_service.background import Background
from sprite_service.config import Config
from sprite_service.control import ControlEndpoint
from sprite_service.loops import Loops
from sprite_service.metrics import ServiceMetrics
from sprite_service.openapi import openapi_document
from sprite_service.reads import LoopReads
from sprite_service.stream import EventStreams

_CONTROL = "/ops/control"
#: A request whose client went away before its answer was complete is counted and logged like this, as by proxies.
_CLIENT_GONE = 499


def _shown(principal: str, reason: str = "") -> str:
    """Who asked, behind a line of the access log; nothing for the shared token."""
    return "".join(f" {name}={value}" for name, value in (("principal", principal), ("token", reason)) if value)


def _refusal(error: Refusal | OpsError | OSError) -> Refusal:
    """How an error is told to the client."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, UsageError):
        return invalid(error.message)
    if isinstance(error, OpsError):
        return Refusal(502, "runtime_error", f"error: {error.message}")
    return Refusal(502, "runtime_error", f"error: cannot read: {error.strerror}")


class Service:
    """Everything behind one listening socket."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = ServiceMetrics()
        self.loops = Loops(
            config.repo, max_cached=config.limits.max_cached_loops, max_line_bytes=config.limits.max_line_bytes
        )
        self.watcher = JournalWatcher(config.watch, poll_s=config.poll_s)
        self.streams = EventStreams(config, self.loops, self.watcher, self.metrics)
        self.background = Background(self._background_failed)
        self._principals = None if config.principals_file is None else PrincipalsSource(config.principals_file)
        self._access = Access(config.token, self._principals)
        #: How many connections are open; the server behind the service knows.
        self.connections: Callable[[], int] = lambda: 0
        self._idle = asyncio.Event()
        #: Wrong tokens that wait for their late answer. They take no request's place: whoever guesses has none.
        self._late = 0
        reads = LoopReads(config, self.loops, self.watcher, self.streams, self._access)
        self.control = ControlEndpoint(config, self.background)
        self._get: dict[str, Handler] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics_page,
            "/openapi.json": self._openapi,
            **reads.handlers(),
        }

    def _background_failed(self) -> None:
        self.metrics.task_failures += 1

    def start(self) -> None:
        """Begin to watch files.

        Raises:
            OSError: inotify was demanded and is not there.
            UsageError: the principals file cannot be used.
        """
        source = self._principals
        if source is not None:
            source.load()
            principals.tell(source)
            self.background.start("principals", lambda: principals.watch(source, self.loops.in_thread))
        self.watcher.open()
        for row in recover_all(self.config.repo):
            sys.stderr.write(f"notice: an earlier {row['intent']} of {row['loopId']} is recorded as {row['status']}\n")
        self.background.start("watcher", self.watcher.run)

    async def stop(self) -> None:
        """End streams and waits in good order, then everything else."""
        self.streams.end_all()
        self.control.stop()
        if self.metrics.in_flight:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.config.limits.stop_timeout_s):
                    await self._idle.wait()

    async def close(self) -> None:
        """Let go of threads and tasks."""
        await self.background.stop()
        self.loops.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started = time.perf_counter()
        metrics = self.metrics
        metrics.in_flight += 1
        status, who = 500, ""
        try:
            found = self._access.identify(request)
            if isinstance(found, Unknown):
                status, who = 401, _shown(found.name, found.reason)
                return await self._unauthorized(request, found)
            caller = Caller(found, request.headers.get("X-Trace-Id", "").strip() or None)
            who = _shown(caller.principal)
            response = await self._handler(request, caller)(request, caller)
            status = response.status
            return response
        except asyncio.CancelledError:  # nobody waits for the answer any more
            status = _CLIENT_GONE
            raise
        except (Refusal, OpsError, OSError) as error:
            refusal = _refusal(error)
            status = refusal.status
            return refusal.response()
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the log has it all, the client no stack
            metrics.task_failures += 1
            sys.stderr.write(f"unexpected failure in {request.path!r}:\n{traceback.format_exc()}")
            return Refusal(500, "runtime_error", f"error: unexpected {type(error).__name__}, see the log").response()
        finally:
            metrics.in_flight -= 1
            if not metrics.in_flight:
                self._idle.set()
            path = request.path
            if path not in self._get and path != _CONTROL:
                path = "other"
            metrics.requests[path, status] = metrics.requests.get((path, status), 0) + 1
            if self.config.access_log:
                spent_ms = (time.perf_counter() - started) * 1000
                answered = f"{request.method} {path} {status} {spent_ms:.1f}ms{who}"
                sys.stderr.write(f"{format_utc(time.time())} {request.remote} {answered}\n")

    def _handler(self, request: web.BaseRequest, caller: Caller) -> Handler:
        """What answers the request: the path, then the caller's scope, then the limit on requests.

        Raises:
            Refusal: nothing does.
        """
        handler = self._get.get(request.path) if request.method == "GET" else None
        if handler is None:
            if request.method == "POST" and request.path == _CONTROL:
                caller.require(Scope.CONTROL, Extent.LISTING)
                return self._control
            raise self._unknown(request)
        caller.require(Scope.READ, Extent.LISTING)
        if self.metrics.in_flight - self.metrics.streams - self._late > self.config.limits.max_requests:
            raise Refusal(503, "overloaded", "too many requests")
        return handler

    def _unknown(self, request: web.BaseRequest) -> Refusal:
        if request.method not in ("GET", "POST"):
            return Refusal(501, "not_implemented", "method not implemented")
        if (request.content_length or 0) > self.config.limits.max_body_bytes:
            return Refusal(413, "payload_too_large", "request body too large")
        return Refusal(404, "not_found", "endpoint not found")

    async def _unauthorized(self, request: web.BaseRequest, unknown: Unknown) -> web.StreamResponse:
        self.metrics.unauthorized += 1
        self.metrics.refused_tokens[unknown.reason] += 1
        delay_s = self._access.delay_after_failure(request.remote or "")
        if delay_s and self._late < self.config.limits.max_requests:
            self._late += 1
            try:
                await asyncio.sleep(delay_s)
            finally:
                self._late -= 1
        return Refusal(401, "unauthorized", "missing or invalid token").response()

    async def _healthz(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        return json_bytes(b'{"ok":true}')

    async def _readyz(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        reasons = [f"background task {name} failed" for name in sorted(self.background.failing)]
        if not os.path.isdir(self.config.repo):  # noqa: ASYNC240 - one stat
            reasons.append("repo path is gone")
        if self.streams.ending.is_set():
            reasons.append("shutting down")
        ready = not reasons
        if self._principals is not None and self._principals.problem is not None:  # served on, by the last good one
            reasons.append("the principals file on disk cannot be used, the last good one is in force")
        return json_response({"ok": ready, "reasons": reasons}, 200 if ready else 503)

    async def _metrics_page(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        body = self.metrics.render(
            cached_loops=len(self.loops),
            connections=self.connections(),
            controls=self.control.running,
            inotify=self.watcher.uses_inotify,
        )
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    @property
    def paths(self) -> frozenset[str]:
        """Every path that is answered."""
        return frozenset((*self._get, _CONTROL))

    async def _openapi(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        return json_response(openapi_document())

    async def _control(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        return await self.control.handle(request, caller)

"""The API under ``/v1``: what the daemon knows of its loops and its fleet, and the request to look at a loop.

Every route asks a :class:`LiveView`; who may ask is :func:`needed`'s business, and bounds are the listener's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog
from aiohttp import web

from opsd.access.authenticate import Extent, authorize
from opsd.access.model import Scope
from opsd.contract.errors import OpsError, UsageError
from opsd.supervisor.http.access import current_identity
from opsd.supervisor.http.answers import error_response, json_response

log = structlog.get_logger("opsd.supervisor.http")

BODY_TIMEOUT_SECONDS = 5.0


class LiveView(Protocol):
    """What the API asks of the daemon. All calls are made on the event loop and must be cheap."""

    def readiness(self) -> tuple[bool, Sequence[str]]:
        """Whether the daemon does its work, and every reason why not."""

    def loops(self) -> Sequence[Mapping[str, object]]:
        """What is known of every loop, as JSON objects."""

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """What is known of one loop; None when there is no such loop."""

    async def status(self, loop: str) -> Mapping[str, object] | None:
        """The operator status of one loop, from its files; None when there is no such loop.

        Raises:
            OpsError: nothing is known of it yet.
        """

    async def fleet(self, name: str) -> Mapping[str, object]:
        """The fleet's ``status``, ``policy`` or ``handoff``, from its files.

        Raises:
            OpsError: there is none yet, or a file cannot be used.
        """

    def request_reconcile(self, loop: str) -> bool:
        """Queue an operator's request; False when there is no such loop."""


def needed(request: web.Request) -> tuple[Scope, str | Extent]:
    """The scope that a request needs, and how far it has to reach: the loop that it names, or all."""
    scope = Scope.READ if request.method in ("GET", "HEAD") else Scope.CONTROL
    everything = Extent.LISTING if request.path == "/v1/loops" else Extent.FLEET
    return scope, request.match_info.get("loop", everything)


class V1Routes:
    """The routes over one view."""

    def __init__(self, view: LiveView) -> None:
        self._view = view

    def mount(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/v1/loops", self._loops)
        app.router.add_get("/v1/loops/{loop}", self._loop)
        app.router.add_get("/v1/loops/{loop}/status", self._status)
        app.router.add_get("/v1/fleet/{name:status|policy|handoff}", self._fleet)
        app.router.add_post("/v1/loops/{loop}/reconcile", self._reconcile)

    async def _loops(self, _request: web.Request) -> web.Response:
        identity = current_identity()
        seen = [loop for loop in self._view.loops() if authorize(identity, Scope.READ, str(loop["loopId"]))]
        return json_response({"ok": True, "loops": seen})

    async def _loop(self, request: web.Request) -> web.Response:
        found = self._view.loop(request.match_info["loop"])
        if found is None:
            return error_response(404, "not_found", "no such loop")
        return json_response({"ok": True, "loop": found})

    async def _status(self, request: web.Request) -> web.Response:
        try:
            found = await self._view.status(request.match_info["loop"])
        except OpsError as error:
            return error_response(404, "not_found", error.message)
        if found is None:
            return error_response(404, "not_found", "no such loop")
        return json_response({"ok": True, "status": found})

    async def _fleet(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            found = await self._view.fleet(name)
        except UsageError as error:
            return error_response(404, "not_found", error.message)
        except OpsError as error:
            return error_response(500, error.code, error.message)
        return json_response({"ok": True, name: found})

    async def _reconcile(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                await request.read()
        except TimeoutError:
            return error_response(408, "timeout", "the request's body did not arrive in time")
        loop = request.match_info["loop"]
        if not self._view.request_reconcile(loop):
            return error_response(404, "not_found", "no such loop")
        log.info("http.reconcile_requested", loop=loop)
        return json_response({"ok": True, "loopId": loop, "queued": True}, 202)

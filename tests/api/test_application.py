"""What the application guarantees of every route, tried with a route that fails."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from opsd.access.authenticate import Identity
from opsd.access.model import Scope
from opsd.api.application import Api
from opsd.api.changes import ChangeFeed
from opsd.api.models.base import Nothing
from opsd.api.route import PREFIX, Answer, Call, Route
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FileFleetStore


class World:
    """An application with one route, which waits to be let go on and fails then."""

    def __init__(self, repo: Path) -> None:
        self.store = FileFleetStore(str(repo))
        self.handling = 0
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.error: Exception = ZeroDivisionError("nobody thought of this")

    async def _fail(self, _call: Call) -> Answer:
        self.begun.set()
        await self.go_on.wait()
        raise self.error

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.handling += 1
        try:
            answer: web.StreamResponse = await handler(request)
        finally:
            self.handling -= 1
        return answer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address; a request ends with its client."""
        ann = Identity("ann", frozenset({Scope.ADMIN}), ("*",))
        host: Any = SimpleNamespace(changes=ChangeFeed(), fleet_store=lambda: self.store, in_thread=asyncio.to_thread)

        async def check(*_asked: object, **_more: object) -> Identity:
            return ann

        route = Route("POST", "/fail", "fail", "Fails", "api", self._fail, scope=Scope.ADMIN, body=Nothing)
        gate: Any = SimpleNamespace(check=check, principals=lambda: 1)
        api = Api((route,), host, gate)
        app = web.Application(middlewares=[self._count])
        api.mount(app)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}/fail"
        finally:
            await runner.cleanup()
            await api.drain(60)

    def audited(self) -> list[dict[str, Any]]:
        """The rows of the operations' audit."""
        rows = self.store.read(FleetLog.OPERATIONS) or b""
        return [json.loads(row) for row in rows.splitlines()]


async def test_an_unforeseen_error_is_answered_logged_and_audited(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.go_on.set()
    with capture_logs() as logged:
        async with world.serving() as url, aiohttp.ClientSession() as session:
            async with session.post(url, json={}) as response:
                status, body = response.status, await response.json()
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "nobody thought of this" not in body["error"]["message"]
    failed = [line for line in logged if line["event"] == "api.failed"]
    assert [(line["action"], line["log_level"], line["exc_info"]) for line in failed] == [("fail", "error", True)]
    rows = world.audited()
    assert [(row["phase"], row.get("status"), row["traceId"]) for row in rows] == [
        ("requested", None, body["traceId"]),
        ("ended", 500, body["traceId"]),
    ]


@pytest.mark.parametrize("name", ["/srv/registry.v1.json", b"/srv/registry.v1.json"])
async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str | bytes) -> None:
    world = World(tmp_path)
    world.error = PermissionError(errno.EACCES, "Permission denied", name)
    world.go_on.set()
    with capture_logs() as logged:
        async with world.serving() as url, aiohttp.ClientSession() as session:
            async with session.post(url, json={}) as response:
                status, body = response.status, await response.json()
    told = {"code": "manager_file", "message": "cannot use /srv/registry.v1.json: Permission denied"}
    assert (status, body["error"]) == (500, told)
    assert [line["event"] for line in logged if line["log_level"] == "error"] == []
    audited = [(row["phase"], row.get("code")) for row in world.audited()]
    assert audited == [("requested", None), ("ended", "manager_file")]


async def test_an_unforeseen_error_is_told_also_when_its_client_has_gone(tmp_path: Path) -> None:
    world = World(tmp_path)
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))
    with capture_logs() as logged:
        async with world.serving() as url:
            async with aiohttp.ClientSession() as session:
                asking = asyncio.create_task(session.post(url, json={}))
                await world.begun.wait()
                asking.cancel()
                await asyncio.wait([asking])
            async with asyncio.timeout(60):
                while world.handling:
                    await asyncio.sleep(0.005)
            world.go_on.set()
    gc.collect()
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["api.failed"]
    assert [(row["phase"], row.get("status")) for row in world.audited()] == [("requested", None), ("ended", 500)]
    assert unseen == []

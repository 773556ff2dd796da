"""What one principal can use up: its share, a loop's own places, and nothing of what ends a danger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from opsd.access.model import Scope
from opsd.api.failure import NotBegunError
from opsd.api.shares import Place, Shares
from opsd.supervisor.loops.reads import MAX_ASKING
from tests.api.world import ApiWorld, Client
from tests.daemon.support import remote, write_registry

Answers = Sequence[tuple[int, Any]]


class SilentSprite:
    """Takes requests and answers none until it is let go on."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await self.go_on.wait()
        return web.Response(status=500)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            self.go_on.set()
            await runner.cleanup()


def test_a_principal_holds_half_at_most_and_nobody_elses_share() -> None:
    shares = Shares({Place.READ: 2})
    with shares.holding(Place.READ, "eve"):
        with (
            pytest.raises(NotBegunError, match="too many requests of one principal"),
            shares.holding(Place.READ, "eve"),
        ):
            pass
        with shares.holding(Place.READ, "ann"), shares.holding(Place.URGENT, "eve"):
            pass
    with shares.holding(Place.READ, "eve"):
        pass


async def test_a_sprite_that_does_not_answer_takes_few_places(tmp_path: Path) -> None:
    world, desk = ApiWorld(tmp_path, "alpha"), SilentSprite()
    world.principal("eve", Scope.READ, loops=("web-*",))
    async with desk.listening():
        write_registry(world.repo, remote("web-1", desk.url))
        async with world.running() as running:
            eve = world.client(running, "eve")
            asking = [asyncio.create_task(eve.get("/loops/web-1/events")) for _ in range(MAX_ASKING + 3)]
            refused = await _first(asking, 3)
            assert {(status, body["error"]["code"]) for status, body in refused} == {(503, "busy")}
            desk.go_on.set()
            answers: Answers = await asyncio.gather(*asking)
            assert sorted(status for status, _ in answers) == [409] * MAX_ASKING + [503] * 3


async def test_the_kill_switch_has_a_place_when_all_others_are_taken(tmp_path: Path) -> None:
    world, desk = ApiWorld(tmp_path, "alpha"), SilentSprite()
    world.principal("eve", Scope.READ)
    world.principal("mallory", Scope.READ)
    world.principal("ann", Scope.POLICY, Scope.ADMIN)
    async with desk.listening():
        write_registry(world.repo, *(remote(f"web-{number}", desk.url) for number in range(2)))
        async with world.running("--http-max-requests", "4") as running:
            eve, mallory, ann = (world.client(running, name) for name in ("eve", "mallory", "ann"))
            asking = [asyncio.create_task(who.get(f"/loops/web-{loop}/snapshot")) for who, loop in _each(eve, mallory)]

            async def all_taken() -> bool:
                return (await ann.get("/identity"))[0] == 503

            await running.until(all_taken)
            for path in ("/healthz", "/readyz", "/metrics"):
                async with running.session.get(path) as response:
                    assert response.status == 200, path
            assert (await ann.post("/fleet/kill-switch", {"engaged": True}))[0] == 200
            assert (await ann.post("/fleet/pause"))[0] == 200
            assert (await ann.post("/tokens/tok_0000000000000000/revoke"))[0] == 200
            desk.go_on.set()
            await asyncio.gather(*asking)


def _each(*clients: Client) -> list[tuple[Client, int]]:
    return [(client, loop) for client in clients for loop in range(2)]


async def _first(asking: Sequence[asyncio.Task[tuple[int, Any]]], count: int) -> Answers:
    """The answers of so many that are answered first."""
    async with asyncio.timeout(60):
        while len(done := [task.result() for task in asking if task.done()]) < count:
            await asyncio.wait([task for task in asking if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    return done

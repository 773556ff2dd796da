"""The stream of changes: from a running daemon, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from opsd.access.changes import with_token_revoked
from opsd.access.document import document_of, parse_principals
from opsd.access.model import Scope
from opsd.contract.jsoncodec import dumps_pretty
from tests.api.world import ApiWorld, Client
from tests.daemon.support import PATIENCE_S, Daemon

STREAM = "/api/v1/stream"
_NO_LIMIT = aiohttp.ClientTimeout(total=PATIENCE_S)


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str, Any]]:
    """Id, kind and value of each event."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if not line and "event" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
        if not line:
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


async def until(found: AsyncIterator[tuple[str, str, Any]], kind: str) -> tuple[str, Any]:
    """Id and value of the next event of a kind."""
    async for number, name, value in found:
        if name == kind:
            return number, value
    raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def heard(running: Daemon, token: str) -> AsyncIterator[AsyncIterator[tuple[str, str, Any]]]:
    """What a principal is told from now on."""
    headers = {"Authorization": f"Bearer {token}"}
    async with running.session.get(STREAM, timeout=_NO_LIMIT, headers=headers) as response:
        found = frames(response)
        await until(found, "hello")
        yield found


async def test_changes_arrive_and_a_reader_that_comes_back_gets_what_it_missed(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        await running.until_state("alpha", "running", 0)
        async with running.session.get(STREAM, timeout=_NO_LIMIT) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            found = frames(response)
            first, _ = await until(found, "hello")
            world.live["alpha"].append("iteration_start")
            number, loop = await until(found, "loop")
            assert loop["loopId"] == "alpha"
        world.live["alpha"].append("iteration_start")
        await running.until_state("alpha", "running", 2)
        headers = {"Last-Event-ID": number}
        async with running.session.get(STREAM, timeout=_NO_LIMIT, headers=headers) as response:
            found = frames(response)
            while (await until(found, "loop"))[1]["cursor"]["eventLineOffset"] != 2:
                pass
        async with running.session.get(STREAM, timeout=_NO_LIMIT, headers={"Last-Event-ID": "0-7"}) as response:
            assert (await until(frames(response), "gap"))[1] == {"reason": "changes_lost"}
        assert first


async def test_a_principal_hears_of_its_loops_only_and_of_nothing_once_its_token_is_revoked(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    token = world.principal("ann", Scope.READ, loops=("be*",))
    world.principal("bob", Scope.CONTROL)
    async with world.running() as running:
        async with heard(running, token) as found:
            bob = world.client(running, "bob")
            await bob.post("/loops/alpha/reconcile")
            await bob.post("/loops/beta/reconcile")
            assert (await until(found, "operation"))[1]["loop"] == "beta"
            now = time.time()
            principals = parse_principals(world.principals_file.read_bytes(), now)
            after = with_token_revoked(principals, "tok_0000000000000000", now)[0]
            world.principals_file.write_bytes(dumps_pretty(document_of(after)))

            async def refused() -> bool:
                return (await world.client(running, "ann").get("/loops"))[0] == 401

            await running.until(refused)
            await bob.post("/loops/beta/reconcile")
            assert (await until(found, "end"))[1] == {"reason": "unauthorized"}


async def test_who_may_see_fewer_loops_than_when_the_stream_began_hears_of_no_others(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    token = world.principal("ann", Scope.READ)
    world.principal("bob", Scope.CONTROL)
    async with world.running() as running:
        async with heard(running, token) as found:
            ann, bob = parse_principals(world.principals_file.read_bytes(), time.time())
            world.principals_file.write_bytes(dumps_pretty(document_of((replace(ann, loops=("beta",)), bob))))

            async def narrowed() -> bool:
                return (await world.client(running, "ann").get("/loops/alpha"))[0] == 403

            await running.until(narrowed)
            for loop in ("alpha", "beta"):
                assert (await world.client(running, "bob").post(f"/loops/{loop}/reconcile"))[0] == 200
            assert (await until(found, "operation"))[1]["loop"] == "beta"


async def test_a_stream_ends_behind_so_many_changes_or_after_so_many_seconds_and_says_so(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.CONTROL)
    async with world.running() as running:
        ann = world.client(running, "ann")
        options: dict[str, Any] = {"headers": ann.headers, "timeout": _NO_LIMIT}
        async with running.session.get(STREAM + "?loop=beta&maxEvents=2", **options) as response:
            found = [event async for event in told(response, ann, "/loops/alpha/reconcile", "/loops/beta/reconcile")]
        kinds = [(kind, value.get("loop", value.get("loopId"))) for _, kind, value in found[1:-1]]
        assert len(kinds) == 2
        assert {loop for _, loop in kinds} == {"beta"}
        assert found[-1][1:] == ("end", {"reason": "max_events"})
        headers = {**ann.headers, "Last-Event-ID": found[0][0]}
        async with running.session.get(STREAM + "?forSeconds=0", timeout=_NO_LIMIT, headers=headers) as response:
            missed = [event async for event in frames(response)]
        assert missed[0][1] == "hello"
        assert {event[0] for event in found[1:-1]} < {event[0] for event in missed[1:-1]}
        assert missed[-1][1:] == ("end", {"reason": "for_seconds"})
        async with running.session.get(STREAM + "?forSeconds=1&maxEvents=100000", **options) as response:
            assert (await until(frames(response), "end"))[1] == {"reason": "for_seconds"}
        async with running.session.head(STREAM, **options) as response:
            assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
        for wrong in ("forSeconds=-1", "forSeconds=3601", "forSeconds=1.5", "maxEvents=0", "maxEvents=", "maxevents=1"):
            assert (await ann.get(f"/stream?{wrong}"))[1]["error"]["code"] == "invalid_request", wrong


async def told(response: aiohttp.ClientResponse, client: Client, *orders: str) -> AsyncIterator[tuple[str, str, Any]]:
    """The events of a stream; orders are given whenever there is one, so that there is a next one."""
    async for event in frames(response):
        yield event
        for order in orders:
            await client.post(order)


async def test_a_hundred_open_streams_end_in_good_order_with_the_daemon(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        await running.until_state("alpha", "running", 0)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(running.url, connector=connector, timeout=_NO_LIMIT) as session:
            streams = [frames(await session.get(STREAM)) for _ in range(100)]
            await asyncio.gather(*(until(stream, "hello") for stream in streams))
            running.process.terminate()
            ends = await asyncio.gather(*(until(stream, "end") for stream in streams))
            assert [end[1] for end in ends] == [{"reason": "shutdown"}] * 100
            rest = await asyncio.gather(*(anext(stream, None) for stream in streams))
            assert rest == [None] * 100
            assert await asyncio.to_thread(running.process.wait, PATIENCE_S) == 0
        assert not [line for line in running.log if line["level"] in ("error", "critical")]

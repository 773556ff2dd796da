"""One reader of the stream among others, over real sockets: quick, slow, gone, or out of order."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiohttp import web

from opsd.access.authenticate import Identity
from opsd.access.model import Scope
from opsd.api import stream
from opsd.api.changes import ChangeFeed, ChangeKind
from opsd.api.models.stream import StreamQuery
from opsd.api.route import Call
from opsd.api.shares import Place, Shares
from opsd.api.stream_reader import BATCH_FRAMES

_READER = Identity("ann", frozenset({Scope.READ}), ("*",))


class World:
    """A feed, and a server that streams it."""

    def __init__(self) -> None:
        self.feed = ChangeFeed()
        self.port = 0
        #: What stands between a reader and its next bytes.
        self.still: Callable[[web.Request], bool] = lambda _request: True
        self.requests: list[web.Request] = []
        self.ended = 0

    @asynccontextmanager
    async def serving(self, *, most: int = 10) -> AsyncIterator[World]:
        """Serve ``/``, until the end of the test."""
        app = web.Application()
        stream.hold_streams(app)
        self.shares = Shares({Place.STREAM: most})
        app.router.add_get("/", self._serve)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            self.feed.end()
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        host: Any = SimpleNamespace(changes=self.feed)
        gate: Any = SimpleNamespace(renewed=lambda identity: identity if self.still(request) else None)
        query = StreamQuery.model_validate(dict(request.query))
        self.requests.append(request)
        try:
            async with self.shares.holding(Place.STREAM, _READER):
                return await stream.serve_stream(Call(host, gate, _READER, "", {}, query, None, request))
        finally:
            self.ended += 1

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.005)

    def publish(self, count: int, *, loop: str = "alpha", **value: object) -> None:
        """So many changes at once."""
        for number in range(count):
            self.feed.publish(ChangeKind.LOOP, {"number": number, **value}, loop=loop)


class Reader:
    """A client by hand: :attr:`got` is what was on the wire."""

    def __init__(
        self, world: World, query: str = "", *, version: str = "1.1", after: str = "", buffer: int = 0
    ) -> None:
        self._socket = socket.socket()
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.connect(("127.0.0.1", world.port))
        lines = [f"GET /{query} HTTP/{version}", "Host: localhost", f"Last-Event-ID: {after}"]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._socket.setblocking(False)
        self.got = b""

    async def more(self) -> bytes:
        """What came next; empty at the end of the connection."""
        data = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        self.got += data
        return data

    async def until(self, text: bytes) -> None:
        """Read on until a text came."""
        async with asyncio.timeout(60):
            while text not in self.got:
                assert await self.more(), self.got[-1000:]

    def close(self) -> None:
        """Go away."""
        self._socket.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as found:
        yield found


async def test_all_changes_of_a_turn_are_one_chunk_for_everybody(world: World) -> None:
    readers = [Reader(world) for _ in range(3)]
    for reader in readers:
        await reader.until(b"event: hello")
    await world.until(lambda: len(world.requests) == 3)
    world.publish(3)
    for reader in readers:
        await reader.until(b'"number":2')
        body = b"".join(
            b'id: %b\nevent: loop\ndata: {"number":%d}\n\n' % (world.feed.id_of(n + 1).encode(), n) for n in range(3)
        )
        assert reader.got.endswith(b"%x\r\n%b\r\n" % (len(body), body))
        reader.close()


async def test_a_reader_of_http_1_0_gets_no_chunks(world: World) -> None:
    reader = Reader(world, "?maxEvents=2", version="1.0")
    await reader.until(b"event: hello")
    world.publish(2)
    while await reader.more():
        pass
    body = reader.got.partition(b"\r\n\r\n")[2].split(b"\n\n")
    assert [event.split(b"\n")[0].split(b":")[0] for event in body] == [b"retry", b"id", b"id", b"id", b"event", b""]
    assert body[-2] == b'event: end\ndata: {"reason":"max_events"}'
    reader.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_reader_that_takes_nothing_holds_a_batch_up_and_nobody_else_and_is_cut_off(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both event loops: what a connection holds, and when it says so, is theirs."""
    monkeypatch.setattr(stream, "WRITE_TIMEOUT_S", 1.0)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_slow_beside_quick())


async def _slow_beside_quick() -> None:
    async with World().serving() as world:
        world.publish(3 * BATCH_FRAMES, text="x" * 200_000)
        slow = Reader(world, after=world.feed.id_of(0), buffer=4096)
        await world.until(lambda: bool(world.requests))
        connection = world.requests[0].transport
        assert connection is not None
        await slow.until(b"event: loop")
        await world.until(lambda: connection.get_write_buffer_size() > 0 or bool(world.ended))
        quick = Reader(world)
        await quick.until(b"event: hello")
        held = [connection.get_write_buffer_size()]
        while not world.ended:
            world.publish(1, text="x" * 200_000)
            number = world.feed.id_of(world.feed.last).encode()
            await quick.until(b"id: %b\n" % number)
            quick.got = b""
            held.append(connection.get_write_buffer_size())
        assert max(held) < 1.1 * BATCH_FRAMES * 200_000
        while await slow.more():
            pass
        assert b"event: end" not in slow.got
        slow.close()
        quick.close()


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WRITE_TIMEOUT_S", 3600.0)
    monkeypatch.setattr(stream, "END_TIMEOUT_S", 0.01)
    world.publish(3 * BATCH_FRAMES, text="x" * 200_000)
    slow = Reader(world, after=world.feed.id_of(0), buffer=4096)
    await slow.until(b"event: loop")
    connection = world.requests[0].transport
    assert connection is not None
    await world.until(lambda: connection.get_write_buffer_size() > 0)
    world.feed.end()
    await world.until(lambda: bool(world.ended))
    slow.close()


async def test_what_a_reader_missed_comes_in_batches_and_in_order(world: World) -> None:
    start = world.feed.id_of(0)
    world.publish(1000)
    reader = Reader(world, "?forSeconds=0")
    await reader.until(b"event: end")
    assert b'"number"' not in reader.got
    reader.close()
    reader = Reader(world, "?forSeconds=0", after=start)
    await reader.until(b'data: {"reason":"for_seconds"}')
    numbers = [int(found) for found in re.findall(rb'"number":(\d+)', reader.got)]
    assert numbers == list(range(1000))
    reader.close()


async def test_comments_keep_a_reader_alive_that_may_see_nothing_of_what_happens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_S", 0.01)
    reader = Reader(world, "?loop=beta")
    await reader.until(b"event: hello")
    while reader.got.count(b": keep-alive\n\n") < 3:
        world.publish(1)
        await reader.more()
    assert b"event: loop" not in reader.got
    reader.close()


async def test_a_reader_that_went_away_makes_place_for_another_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_S", 0.01)
    async with World().serving(most=1) as world:
        for _ in range(3):
            reader = Reader(world)
            await reader.until(b"event: hello")
            reader.close()
            await world.until(lambda: world.ended == len(world.requests))
    assert not caplog.records


async def test_an_error_about_one_reader_ends_its_stream_and_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def still(request: web.Request) -> bool:
        return request is not world.requests[0] or not world.feed.last or bool(1 // 0)

    world.still = still
    first = Reader(world)
    await first.until(b"event: hello")
    second = Reader(world)
    await second.until(b"event: hello")
    await world.until(lambda: len(world.requests) == 2)
    world.publish(1)
    await second.until(b"event: loop")
    await world.until(lambda: world.ended == 1)
    assert "ZeroDivisionError" in caplog.text
    world.publish(1)
    await second.until(world.feed.id_of(2).encode())
    first.close()
    second.close()

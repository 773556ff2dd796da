"""A running ``opsd watch``, and what may stand at the other end: a relay that is cut, a server that says anything."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.cli.process import environment

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Watch:
    """A running ``opsd watch``, whose stdout is a pipe."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> dict[str, Any]:
        """The next line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(120):
            data = await self.process.stdout.readline()
        if not data:
            raise AssertionError(await self.ended())
        found: dict[str, Any] = json.loads(data)
        return found

    async def until(self, kind: str, wanted: Callable[[Any], bool] = lambda _: True) -> dict[str, Any]:
        """The next line of a kind whose data is wanted."""
        while not ((found := await self.line())["kind"] == kind and wanted(found["data"])):
            pass
        return found

    async def ended(self) -> tuple[int | None, str, str]:
        """Exit code, the rest of stdout, and stderr."""
        async with asyncio.timeout(120):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def watch(*argv: str, **env: str) -> AsyncIterator[Watch]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsd", "watch", *argv),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment({"OPSD_CONFIG": os.devnull, **env}),
        limit=64 * 1024 * 1024,
    )
    try:
        yield Watch(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # to the end of its pipes, which the event loop would warn of otherwise


def event(kind: str, data: Any, number: str = "f00-1") -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def answer(status: int, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d x\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, len(body), body)


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """A server that says what a test wants, once somebody asks, and then nothing; its address."""
    open_writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):  # the watch has heard enough
            await handler(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        for writer in open_writers:
            writer.close()
        listening.close()
        await listening.wait_closed()


class Relay:
    """Hands bytes on between a client and the daemon, until a test cuts it."""

    def __init__(self, port: int) -> None:
        self.open = True
        self.url = ""
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Relay]:
        """One in front of a server."""
        relay = cls(int(url.rpartition(":")[2]))
        listening = await asyncio.start_server(relay._serve, "127.0.0.1", 0)
        relay.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            yield relay
        finally:
            relay.cut()
            listening.close()
            await listening.wait_closed()

    def cut(self) -> None:
        """End every connection as a network does: in the middle, without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, behind]
        await asyncio.gather(_hand_on(reader, behind), _hand_on(behind_reader, writer))


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()

"""A server that answers every connection as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What was asked, and where."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[bytes] = []


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[Server]:
    """Serve the answers in order, the last one for ever; a connection ends after its answer."""
    left = list(answers)
    found = Server(0)
    running: set[Any] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found.requests.append(head)
            await (left.pop(0) if len(left) > 1 else left[0])(head, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):  # asyncio would tell of a cancelled handler
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


def respond(status: int, body: bytes = b"{}", *headers: str, content_type: str = "application/json") -> Answer:
    """An ordinary answer."""

    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Content-Type: {content_type}", *headers]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    return answer


def send(data: bytes, *, then_hang: bool = False) -> Answer:
    """Raw bytes, and silence afterwards if wanted."""

    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_hang:
            await asyncio.Event().wait()

    return answer


def stream(*chunks: bytes, then_hang: bool = False) -> Answer:
    """An event stream that sends ``chunks``."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return send(head + b"".join(chunks), then_hang=then_hang)

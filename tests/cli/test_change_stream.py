"""Following a stream: what a hostile server may send, and when a connection is made again."""

from __future__ import annotations

import asyncio
import json
import math
import time
from itertools import islice
from types import SimpleNamespace

import pytest

from opsd.cli.client import change_stream
from opsd.cli.client.api_client import Server
from opsd.cli.client.change_stream import Heard, follow
from opsd.contract.errors import OpsError
from tests.cli.watch_support import HEAD, answer, event, server, watch

BUSY = b'{"ok": false, "error": {"code": "busy", "message": "too many\\u001b[2J streams"}}'


async def said(data: bytes, *argv: str) -> tuple[int | None, str, str]:
    """How a watch ends that is told ``data``."""

    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if not data:
            writer.close()

    async with server(say) as url, watch("--server", url, *argv) as watching:
        code, out, err = await watching.ended()
        return code, out, err.replace(url, "<server>")


async def test_hostile_changes_are_told_as_text_and_end_nothing() -> None:
    changes = (
        event("loop", {"loopId": "\x1b[2J[bold]", "state": ["\u0000"]}, "f00-2")
        + b"id: f00-3\xff\nevent: lo\x1b[31mop\ndata: \xff\xfe{\n\n"
        + b"id: f00-4\revil: header\nevent: loop\ndata: 7\n\n"
        + b": a comment\nwhat: is this\nretry: 99999999999\n\n"
        + b"event: fleet\ndata: [1,\ndata: 2]\n\n"
    )
    code, out, err = await said(HEAD + event("hello", {}) + changes, "--max-changes", "4")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    told = [json.loads(line) for line in out.splitlines()]
    assert [(one["kind"], one["id"], one["data"]) for one in told[1:]] == [
        ("loop", "f00-2", {"loopId": "\x1b[2J[bold]", "state": ["\x00"]}),
        ("lo\x1b[31mop", "f00-2", None),
        ("loop", "f00-2", 7),
        ("fleet", "f00-2", [1, 2]),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEAD + event("hello", {}) + b"data: " + b"x" * 5_000_000, "a stream frame is larger than 4194304 bytes"),
        (HEAD + event("hello", {}) + b"data: y\n" * 3_000_000, "a stream frame is larger than 4194304 bytes"),
        (answer(200, b"{}"), "<server> answered 200 and nothing that this API would say"),
        (answer(302, b"", b"Location: /elsewhere\r\n"), "<server> answered 302 and nothing that this API would say"),
        (answer(503, BUSY), "too many\\x1b[2J streams"),
        (b"\x1b[2J\r\n", "no answer from <server>: \\x1b[2J"),
        (b"", "no answer from <server>: Remote end closed connection without response"),
    ],
)
async def test_a_server_that_does_not_speak_as_this_api_does_is_left(data: bytes, message: str) -> None:
    code, _out, err = await said(data)
    assert (code, err) == (1, f"error: {message}\n")


async def heard_from(*answers: bytes, most: int = 20) -> list[Heard]:
    """What is heard of a server that gives each connection one of the answers and then closes it."""
    left = iter(answers)

    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(left))
        await writer.drain()
        writer.close()

    async with server(say) as url:
        return await asyncio.to_thread(lambda: list(islice(follow(Server(url), {}), most)))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between connections; nobody really waits."""
    found: list[float] = []
    monkeypatch.setattr(change_stream, "time", SimpleNamespace(sleep=found.append, monotonic=time.monotonic))
    return found


async def test_what_stands_before_a_daemon_that_starts_is_asked_again(pauses: list[float]) -> None:
    hello = HEAD + event("hello", {})
    heard = await heard_from(hello, answer(502, b"<html>"), answer(503, BUSY), b"", hello, hello, most=5)
    assert [one.kind for one in heard] == ["hello", "disconnected", "hello", "disconnected", "hello"]
    assert len(pauses) == 5


async def test_a_refusal_is_the_end_also_later(pauses: list[float]) -> None:
    refused = b'{"ok": false, "error": {"code": "unauthorized", "message": "who are you"}}'
    with pytest.raises(OpsError, match="who are you"):
        await heard_from(HEAD + event("hello", {}), answer(401, refused))
    assert len(pauses) == 1


def grow(pauses: list[float]) -> bool:
    """Whether they double, up to half a minute, but for what is drawn at random."""
    longest = [min(30.0, 2.0**number) for number in range(len(pauses))]
    return all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))


async def test_pauses_grow_also_where_a_server_greets_and_closes_again(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr(change_stream, "_LASTED_S", math.inf)
    hello = HEAD + event("hello", {})
    heard = await heard_from(hello, *[b""] * 10, hello, b"", hello, most=5)
    assert [one.kind for one in heard] == ["hello", "disconnected", "hello", "disconnected", "hello"]
    assert len(pauses) == 13
    assert grow(pauses)


async def test_pauses_begin_anew_after_a_connection_that_has_lasted(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr(change_stream, "_LASTED_S", 0.0)
    hello = HEAD + event("hello", {})
    await heard_from(hello, *[b""] * 10, hello, b"", hello, most=5)
    assert grow(pauses[:11])
    assert grow(pauses[11:])


async def test_a_server_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("hello", {}))
        await writer.drain()

    def heard_then(url: str) -> Heard:
        stream = follow(Server(url), {})
        assert next(stream).kind == "hello"
        monkeypatch.setattr(change_stream, "SILENCE_S", 0.05)
        return next(stream)

    async with server(greet) as url:
        heard = await asyncio.to_thread(heard_then, url)
    assert heard == Heard("disconnected", "f00-1", {"reason": "nothing was heard for 0.05 seconds"})

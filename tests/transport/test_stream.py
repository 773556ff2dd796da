"""One loop's event stream as a source of news, against servers that do as they please."""

from __future__ import annotations

import pytest

from opsd.transport.http_client import ClientLimits, ServiceClient
from opsd.transport.sse import StreamError
from opsd.transport.stream import EventStream, StreamNotOfferedError, pause_after
from tests.transport.misbehaving import Answer, respond, send, serving, stream


async def read(
    answer: Answer, *, after: int = 0, token: str | None = None, idle_timeout_s: float = 60.0
) -> tuple[list[int], bytes]:
    """The offsets that one connection tells, and the request's head."""
    client = ServiceClient(ClientLimits(connect_timeout_s=60.0))
    try:
        async with serving(answer) as server:
            source = EventStream(
                client,
                base_url=server.url,
                loop_id="a b",
                token=token,
                idle_timeout_s=idle_timeout_s,
                max_frame_bytes=1000,
            )
            offsets = [offset async for offset in source.news(after=after) if offset is not None]
            return offsets, server.requests[0]
    finally:
        await client.close()


async def test_offsets_come_until_the_stream_ends_in_good_order() -> None:
    body = b": hello\n\nid: 5\ndata: {}\n\nid: 6\ndata: {}\n\nevent: end\ndata: {}\n\nid: 7\ndata: {}\n\n"
    offsets, head = await read(stream(body), after=4, token="t")
    assert offsets == [6]  # they came together
    assert head.startswith(b"GET /ops/events/stream?loopId=a%20b HTTP/1.1\r\n")
    assert b"Last-Event-ID: 4\r\n" in head
    assert b"Authorization: Bearer t\r\n" in head


async def test_of_offsets_that_come_together_the_newest_stands_for_all() -> None:
    flood = b"".join(b"id: %d\ndata: {}\n\n" % number for number in range(1, 5001))
    offsets, _ = await read(stream(flood))
    assert offsets[-1] == 5000
    assert len(offsets) < 100
    assert offsets == sorted(offsets)


def test_a_stream_gets_a_tenth_of_the_time_at_most() -> None:
    assert pause_after(0.0001) == 0
    assert pause_after(0.01) == pytest.approx(0.09)
    assert pause_after(60.0) == 1.0


async def test_what_came_before_an_error_is_told() -> None:
    client = ServiceClient(ClientLimits(connect_timeout_s=2.0))
    try:
        async with serving(stream(b"id: 5\ndata: {}\n\nevent: error\ndata: {}\n\n")) as server:
            news = EventStream(client, base_url=server.url, loop_id="a", token=None, idle_timeout_s=0.2).news(after=0)
            assert await anext(offset async for offset in news if offset is not None) == 5
            with pytest.raises(StreamError, match="the stream reports"):
                await anext(news)
    finally:
        await client.close()


async def test_an_offset_that_is_none_is_no_news() -> None:
    offsets, _ = await read(stream(b"id: x\ndata: 1\n\nid: -1\ndata: 1\n\nid: " + b"9" * 30 + b"\ndata: 1\n\n"))
    assert offsets == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (stream(b'event: error\ndata: {"code":"runtime_error","x":"hush-hush"}\n\n'), r"the stream reports .*redacted"),
        (stream(b"data: " + b"x" * 5000), "larger than 1000 bytes"),
        (send(b"nonsense\r\n\r\n"), "stream broken"),
        (respond(502, b"cursor is ahead"), "refused with status 502: cursor is ahead"),
        (respond(401, b"x" * 100_000), r"refused with status 401: the answer is larger"),
        (respond(302, b"", "Location: http://127.0.0.1:1/"), "refused with status 302"),
    ],
)
async def test_trouble_is_told_as_what_it_is(answer: Answer, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        await read(answer, token="hush-hush")


@pytest.mark.parametrize(
    "answer", [stream(b": hello\n\n", then_hang=True), send(b"HTTP/1.1 200 OK\r\n", then_hang=True)]
)
async def test_silence_is_trouble_too(answer: Answer) -> None:
    with pytest.raises(StreamError, match="no sign of life in time"):
        await read(answer, token="hush-hush", idle_timeout_s=0.2)


@pytest.mark.parametrize(
    "answer", [respond(404), respond(405), respond(501), respond(200, b"<html>", content_type="text/html")]
)
async def test_a_service_without_streams_is_recognised(answer: Answer) -> None:
    with pytest.raises(StreamNotOfferedError):
        await read(answer)

"""``/ops/events/stream``: order, resumption, errors, keep-alive, limits, slow clients and the end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.sprite_service.support import (
    IN_PEACE,
    LOOP,
    PATIENCE_S,
    TOKEN,
    Frames,
    client,
    event,
    get,
    make_repo,
    metric,
    raw_connection,
    service,
    until,
)

PATH = f"/ops/events/stream?loopId={LOOP}"


async def test_events_come_as_they_are_written_and_a_client_resumes(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    async with service(tmp_path) as running, client(running) as session:
        async with session.get(PATH) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            assert response.headers["Cache-Control"] == "no-store"
            frames = Frames(response)
            assert await frames.next() == {"retry": "2000"}
            first = [await frames.event() for _ in range(3)]
            assert [frame["id"] for frame in first] == ["1", "2", "3"]
            assert {frame["event"] for frame in first} == {"loop_run_event"}
            with journal.open("ab") as file:
                file.write(event(4)[:20])
                file.flush()
                file.write(event(4)[20:] + event(5))
            assert [(await frames.event())["id"] for _ in range(2)] == ["4", "5"]
        polled = (await get(session, f"/ops/events?loopId={LOOP}"))[1]["events"]
        assert [json.loads(frame["data"])["event"] for frame in first] == [one["event"] for one in polled[:3]]
        # The header wins over the parameter, as a browser that connects again needs it.
        async with session.get(f"{PATH}&cursor=1", headers={"Last-Event-ID": "4"}) as response:
            assert (await Frames(response).event())["id"] == "5"
        async with session.get(f"{PATH}&cursor=4") as response:
            assert (await Frames(response).event())["id"] == "5"


async def test_with_polling_only_events_come_too(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    async with service(tmp_path, "--watch", "poll", "--poll-interval", "0.02") as running, client(running) as session:
        async with session.get(f"{PATH}&cursor=3") as response:
            with journal.open("ab") as file:
                file.write(event(4))
            assert (await Frames(response).event())["id"] == "4"
        assert await metric(session, "inotify") == 0


@pytest.mark.parametrize("headers", [{"Last-Event-ID": "99"}, {"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}])
async def test_a_resumption_that_is_not_possible_is_an_ordinary_error(tmp_path: Path, headers: dict[str, str]) -> None:
    make_repo(tmp_path)
    async with service(tmp_path) as running, client(running) as session:
        status, body = await get(session, PATH, headers=headers)
        expected = (502, "runtime_error") if headers["Last-Event-ID"] == "99" else (400, "invalid_request")
        assert (status, body["error"]["code"]) == expected


async def test_a_journal_that_shrinks_ends_the_stream_with_the_contracts_error(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    async with service(tmp_path) as running, client(running) as session:
        async with session.get(f"{PATH}&cursor=3") as response:
            frames = Frames(response)
            assert "retry" in await frames.next()
            journal.write_bytes(event(1))
            frame = await frames.event()
            assert frame["event"] == "error"
            assert json.loads(frame["data"])["error"]["code"] == "runtime_error"
            assert await frames.next() == {}


async def test_silence_is_filled_with_comments(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, "--keepalive", "0.02") as running, client(running) as session:
        async with session.get(f"{PATH}&cursor=3") as response:
            frames = Frames(response)
            assert "retry" in await frames.next()
            assert await frames.next() == {"": "keep-alive"}
            assert await frames.next() == {"": "keep-alive"}


async def test_a_stream_ends_behind_so_many_events_or_after_so_many_seconds_and_says_so(tmp_path: Path) -> None:
    make_repo(tmp_path, events=250)  # several pages

    async def ids_and_end(query: str) -> tuple[list[int], str]:
        async with session.get(f"{PATH}&{query}") as response:
            frames, ids = Frames(response), []
            assert "retry" in await frames.next()
            while (frame := await frames.event())["event"] != "end":
                ids.append(int(frame["id"]))
            assert await frames.next() == {}
            return ids, json.loads(frame["data"])["reason"]

    async with service(tmp_path) as running, client(running) as session:
        assert await ids_and_end("maxEvents=2") == ([1, 2], "max_events")
        assert await ids_and_end("maxEvents=150&cursor=20") == (list(range(21, 171)), "max_events")
        assert await ids_and_end("forSeconds=0") == (list(range(1, 251)), "for_seconds")
        assert await ids_and_end("forSeconds=0.01&maxEvents=&cursor=250") == ([], "for_seconds")
        assert await ids_and_end("forSeconds=9999999&maxEvents=1&cursor=249") == ([250], "max_events")
        for wrong in ("maxEvents=-1", "forSeconds=-1", "forSeconds=1e3", "cursor=x"):
            status, body = await get(session, f"{PATH}&{wrong}", headers={"Last-Event-ID": "1"})
            assert (status, body["error"]["code"]) == (400, "invalid_request"), wrong


async def test_streams_are_bounded_per_client_and_counted(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, "--max-streams-per-client", "1") as running, client(running) as session:
        async with session.get(PATH) as response:
            assert (await Frames(response).event())["id"] == "1"
            status, body = await get(session, PATH)
            assert (status, body["error"]["code"]) == (503, "overloaded")
            assert await metric(session, "streams") == 1

        async def gone() -> bool:
            return await metric(session, "streams") == 0

        await until(gone)
        async with session.get(PATH) as response:
            assert response.status == 200


async def test_a_client_that_does_not_read_is_dropped_and_others_are_not_held_up(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    filler = event(1, data={"text": "x" * 200_000})
    journal.write_bytes(filler * 100)
    async with service(tmp_path, "--write-timeout", "0.3") as running, client(running) as session:
        async with raw_connection(running) as (_, writer), session.get(f"{PATH}&cursor=100") as response:
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\n\r\n".encode())
            frames = Frames(response)
            assert "retry" in await frames.next()
            with journal.open("ab") as file:
                file.write(event(2))
            assert (await frames.event())["id"] == "101"

            async def dropped() -> bool:
                return await metric(session, "streams_dropped_total") == 1

            await until(dropped)
            assert await metric(session, "streams") == 1
            by_status = 'requests_total{{path="/ops/events/stream",status="{}"}}'.format
            assert [await metric(session, by_status(status)) for status in (200, 502)] == [1, 0]


async def test_at_shutdown_streams_and_waits_end_in_good_order(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, *IN_PEACE) as running, client(running) as session:
        waiting = asyncio.create_task(get(session, f"/ops/events?loopId={LOOP}&cursor=3&wait=60"))
        async with session.get(f"{PATH}&cursor=3") as response:
            frames = Frames(response)
            assert "retry" in await frames.next()

            async def both_wait() -> bool:
                return await metric(session, "requests_in_flight") == 3

            await until(both_wait)
            running.process.terminate()
            assert await frames.next() == {"event": "end", "data": '{"reason":"shutdown"}'}
            assert await frames.next() == {}
        status, body = await waiting
        assert (status, body["events"]) == (200, [])
        assert await asyncio.to_thread(running.process.wait, PATIENCE_S) == 0

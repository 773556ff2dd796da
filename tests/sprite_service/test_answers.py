"""What the service answers, to whom, and what bounds it (contract 30, section 6)."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sprite_service.support import (
    LOOP,
    PATIENCE_S,
    TOKEN,
    Service,
    client,
    event,
    get,
    make_repo,
    metric,
    raw_connection,
    read_to_the_end,
    service,
    until,
)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Service]:
    make_repo(tmp_path)
    async with service(tmp_path, "--max-header-bytes", "4096", "--max-body-bytes", "50000") as found:
        yield found


def error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


async def test_no_path_answers_without_the_token(running: Service) -> None:
    refusal = (401, error("unauthorized", "missing or invalid token"))
    offers: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"X-Ops-Token": ""},
        {"X-Ops-Token": "ä" * 40},
    ]
    async with client(running, None) as session:
        for path in ("/healthz", "/ops/snapshot?loopId=demo-loop", "/metrics", "/nowhere"):
            assert await get(session, path) == refusal
        for headers in offers:
            assert await get(session, "/healthz", headers=headers) == refusal
        accepted = [
            {"Authorization": f"bEARER  {TOKEN}"},
            {"X-Ops-Token": TOKEN},
            {"Authorization": "Bearer x", "X-Ops-Token": TOKEN},
        ]
        for headers in accepted:
            assert (await get(session, "/healthz", headers=headers))[0] == 200


async def test_a_query_that_cannot_be_meant_is_refused(running: Service) -> None:
    cases = [
        ("/ops/snapshot", "loopId is required"),
        ("/ops/snapshot?loopId=%20", "loopId is required"),
        ("/ops/events", "loopId is required"),
        (f"/ops/events?loopId={LOOP}&cursor=x", "query parameter 'cursor' must be an integer"),
        (f"/ops/events?loopId={LOOP}&cursor=-1", "query parameter 'cursor' must be >= 0"),
        (f"/ops/events?loopId={LOOP}&maxEvents=1.5", "query parameter 'maxEvents' must be an integer"),
        (f"/ops/events?loopId={LOOP}&wait=soon", "query parameter 'wait' must be a number of seconds"),
    ]
    async with client(running) as session:
        for path, message in cases:
            assert await get(session, path) == (400, error("invalid_request", message)), path
        for loop_id in ("../x", "a/b", "a\0b", ".", "..", "x" * 300):
            status, body = await get(session, "/ops/snapshot", params={"loopId": loop_id})
            assert (status, body["error"]["code"]) == (400, "invalid_request"), loop_id


async def test_what_is_not_there_is_told_by_the_contracts_codes(running: Service) -> None:
    async with client(running) as session:
        assert await get(session, "/nowhere") == (404, error("not_found", "endpoint not found"))
        async with session.post("/ops/snapshot", data=b"{}") as response:
            assert (response.status, await response.json()) == (404, error("not_found", "endpoint not found"))
        async with session.delete("/healthz") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (501, "not_implemented")
        status, body = await get(session, "/ops/snapshot?loopId=unknown-loop")
        assert (status, body["error"]["code"]) == (502, "runtime_error")
        assert body["error"]["message"].startswith("error: ")


async def test_a_journal_that_is_a_link_out_of_the_repo_is_told_nothing_of_but_its_name(tmp_path: Path) -> None:
    repo, secret = tmp_path / "repo", tmp_path / "secret"
    journal = make_repo(repo)
    journal.rename(secret)
    journal.symlink_to(secret)
    refused = (502, error("runtime_error", f"error: artifact is a link out of the repo: {journal}"))
    async with service(repo) as running, client(running) as session:
        for path in ("/ops/snapshot", "/ops/events", "/ops/events/stream"):
            assert await get(session, f"{path}?loopId={LOOP}") == refused, path
        journal.unlink()
        secret.rename(repo / "journal")
        journal.symlink_to(repo / "journal")
        status, body = await get(session, f"/ops/events?loopId={LOOP}")
        assert (status, len(body["events"])) == (200, 3)


async def test_a_cursor_that_is_ahead_answers_with_the_contracts_error(running: Service) -> None:
    async with client(running) as session:
        for path in ("/ops/events", "/ops/events/stream"):
            status, body = await get(session, f"{path}?loopId={LOOP}&cursor=99")
            assert (status, body["error"]["code"]) == (502, "runtime_error"), path
            assert "cursor" in body["error"]["message"]


async def test_loops_events_and_snapshot_of_a_live_loop(running: Service, tmp_path: Path) -> None:
    async with client(running) as session:
        status, body = await get(session, "/ops/loops")
        assert (status, body) == (200, {"ok": True, "schemaVersion": "v1", "loops": [{"loopId": LOOP}]})
        status, body = await get(
            session, f"/ops/events?loopId={LOOP}&cursor=1&maxEvents=1", headers={"X-Trace-Id": "t-1"}
        )
        assert [one["sequence"]["value"] for one in body["events"]] == [2]
        assert (body["traceId"], body["events"][0]["traceId"]) == ("t-1", "t-1")
        assert (body["cursor"]["eventLineOffset"], body["cursor"]["eventLineCount"]) == (2, 3)
        first = (await get(session, f"/ops/snapshot?loopId={LOOP}"))[1]
        with (tmp_path / ".superloop/loops" / LOOP / "events.jsonl").open("ab") as journal:
            journal.write(event(4))
        second = (await get(session, f"/ops/snapshot?loopId={LOOP}"))[1]
        assert (first["cursor"]["eventLineCount"], second["cursor"]["eventLineCount"]) == (3, 4)
        assert second["traceId"] is None


async def test_a_long_poll_answers_with_the_next_line_or_when_its_time_is_up(running: Service, tmp_path: Path) -> None:
    async with client(running) as session:
        status, body = await get(session, f"/ops/events?loopId={LOOP}&cursor=3&wait=0.05")
        assert (status, body["events"], body["cursor"]["eventLineOffset"]) == (200, [], 3)
        waiting = asyncio.create_task(get(session, f"/ops/events?loopId={LOOP}&cursor=3&wait=60"))

        async def is_waiting() -> bool:
            return await metric(session, "requests_in_flight") == 2  # it and this look

        await until(is_waiting)
        with (tmp_path / ".superloop/loops" / LOOP / "events.jsonl").open("ab") as journal:
            journal.write(event(4))
        status, body = await waiting
        assert [one["sequence"]["value"] for one in body["events"]] == [4]


async def test_headers_and_bodies_are_bounded(running: Service) -> None:
    async with client(running) as session:
        async with session.get("/healthz", headers={"X-Filler": "x" * 5000}) as response:
            assert response.status == 400
        async with session.post("/ops/events", data=io.BytesIO(b"x" * 50_001)) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (413, "payload_too_large")
        assert (await get(session, "/healthz"))[0] == 200


async def test_readiness_names_what_is_wrong(running: Service, tmp_path: Path) -> None:
    async with client(running) as session:
        assert await get(session, "/readyz") == (200, {"ok": True, "reasons": []})
        moved = tmp_path.rename(tmp_path.with_name("moved"))
        assert await get(session, "/readyz") == (503, {"ok": False, "reasons": ["repo path is gone"]})
        moved.rename(tmp_path)
        assert (await get(session, "/readyz"))[0] == 200


async def test_metrics_are_clean_and_bounded(running: Service) -> None:
    async with client(running) as session:
        for number in range(20):
            assert (await get(session, f"/attack/{number}"))[0] == 404
        async with session.get("/metrics") as response:
            page = await response.text()
    assert 'sprite_service_requests_total{path="other",status="404"} 20' in page
    assert "/attack" not in page
    assert TOKEN not in page
    promtool = shutil.which("promtool")
    if promtool is not None:
        done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_a_client_that_says_nothing_is_dropped(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, "--header-timeout", "0.1") as running:
        async with raw_connection(running) as (silent, _), asyncio.timeout(PATIENCE_S):
            assert await read_to_the_end(silent) == b""


async def test_a_client_that_reads_no_answer_is_dropped(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    journal.write_bytes(event(1, data={"text": "x" * 500_000}))
    async with service(tmp_path, "--write-timeout", "0.2") as running, client(running) as session:
        async with raw_connection(running) as (_, writer):
            request = f"GET /ops/events?loopId={LOOP} HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\n\r\n"
            writer.write(request.encode() * 40)

            async def dropped() -> bool:
                return await metric(session, "connections") == 1

            await until(dropped)


async def test_what_a_loop_writes_is_data_and_the_log_holds_no_secret(tmp_path: Path) -> None:
    journal = make_repo(tmp_path, events=0)
    journal.write_bytes(
        b'{"timestamp":"x","event":"\\u001b[31m</script>","data":{"deep":' + b"[" * 150 + b"]" * 150 + b"}}\n"
    )
    async with service(tmp_path) as running:
        async with client(running) as session:
            status, body = await get(session, f"/ops/events?loopId={LOOP}")
            assert (status, body["events"][0]["event"]["name"]) == (200, "\x1b[31m</script>")
            await get(session, f"/{TOKEN}?token={TOKEN}")
        code, err = running.stop()
        assert code == 0
        assert TOKEN not in err
        assert len(err.splitlines()) == 2
        assert json.dumps(err)


async def test_guessing_is_answered_late(tmp_path: Path) -> None:
    from sprite_service.access import Access

    now = 0.0
    access = Access("right", clock=lambda: now)
    delays = [access.delay_after_failure("peer") for _ in range(12)]
    assert delays == [0.0] * 10 + [1.0] * 2
    assert access.delay_after_failure("another") == 0.0
    now = 61.0
    assert access.delay_after_failure("peer") == 0.0


async def test_many_requests_at_once_are_refused_beyond_the_limit(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, "--max-requests", "2") as running, client(running) as session:
        path = f"/ops/events?loopId={LOOP}&cursor=3&wait=60"
        waiting = [asyncio.create_task(get(session, path)) for _ in range(2)]

        async def full() -> bool:
            status, body = await get(session, "/healthz")
            return status == 503 and body == error("overloaded", "too many requests")

        await until(full)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

        async def free() -> bool:
            return (await get(session, "/healthz"))[0] == 200

        await until(free)


async def test_one_line_that_cannot_be_decoded_is_stepped_over_when_it_is_named(tmp_path: Path) -> None:
    journal = make_repo(tmp_path, events=2)
    with journal.open("ab") as file:
        file.write(b"{torn\n")
    async with service(tmp_path) as running, client(running) as session:
        status, body = await get(session, f"/ops/events?loopId={LOOP}&cursor=2")
        assert (status, body["error"]["code"]) == (502, "runtime_error")
        assert "invalid JSON event at line 3" in body["error"]["message"]
        status, body = await get(session, f"/ops/events?loopId={LOOP}&skipLine=3")
        assert (status, len(body["events"]), body["cursor"]["eventLineOffset"]) == (200, 2, 3)
        status, body = await get(session, f"/ops/events?loopId={LOOP}&skipLine=1")
        assert (status, body["error"]["code"]) == (400, "invalid_request")
        assert (await get(session, f"/ops/events?loopId={LOOP}&skipLine=x"))[0] == 400

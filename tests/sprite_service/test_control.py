"""``POST /ops/control``: once per key, whatever comes at once, goes away, or dies."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sprite_service.answers import Refusal
from sprite_service.control import parse_control
from tests.control.support import Repo
from tests.sprite_service.support import IN_PEACE, TOKEN, Service, client, metric, service, until


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USER", raising=False)


@pytest.fixture
async def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Repo, Service]]:
    """A service whose runtime command waits until ``go`` is there."""
    repo = Repo(tmp_path, body=f'while [ ! -e "{tmp_path}/go" ]; do sleep 0.01; done')
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    async with service(tmp_path) as running:
        yield repo, running


async def post(session: aiohttp.ClientSession, **body: Any) -> tuple[int, dict[str, Any]]:
    body = {"loopId": "demo", "intent": "cancel", "noConfirm": True, **body}
    async with session.post("/ops/control", json=body) as response:
        return response.status, await response.json()


async def called(repo: Repo) -> bool:
    return bool(repo.calls)


async def test_32_simultaneous_requests_with_one_key_start_one_command(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        tasks = [asyncio.create_task(post(session, idempotencyKey="k")) for _ in range(32)]
        await until(lambda: called(repo))
        (repo.root / "go").touch()
        answers = await asyncio.gather(*tasks)
    assert len(repo.calls) == 1
    assert {status for status, _ in answers} == {200}
    assert sorted(body["replayed"] for _, body in answers) == [False] + [True] * 31
    assert len({body["result"]["controlId"] for _, body in answers}) == 1
    assert [len(rows) for rows in repo.all_rows()] == [1, 1, 1]


async def test_an_encoded_body_is_what_it_is_and_never_inflated(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        for encoding in ("gzip", "deflate", "br"):
            headers = {"Content-Encoding": encoding}
            async with session.post("/ops/control", data=b"\x1f\x8b-not-really", headers=headers) as response:
                assert response.status == 400
                assert (await response.json())["error"]["code"] == "invalid_json"
    assert repo.calls == []


async def test_a_client_that_goes_away_ends_nothing(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k"))
        await until(lambda: called(repo))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (repo.root / "go").touch()
        status, body = await post(session, idempotencyKey="k")
    assert (status, body["ok"], body["replayed"]) == (200, True, True)
    assert len(repo.calls) == 1


async def test_a_key_of_another_request_is_a_conflict_also_while_the_first_runs(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        first = asyncio.create_task(post(session, idempotencyKey="k"))
        await until(lambda: called(repo))
        second = asyncio.create_task(post(session, idempotencyKey="k", intent="approve"))
        (repo.root / "go").touch()
        assert (await first)[0] == 200
        status, body = await second
    assert (status, body["error"]["code"]) == (422, "idempotency_conflict")
    assert len(repo.calls) == 1


async def test_killed_while_it_runs_the_key_answers_ambiguous_and_nothing_runs_again(
    slow: tuple[Repo, Service],
) -> None:
    repo, running = slow
    async with client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k", traceId="t-9"))
        await until(lambda: called(repo))
        running.process.kill()
        await asyncio.gather(task, return_exceptions=True)
    (repo.root / "go").touch()
    async with service(repo.root) as again, client(again) as session:
        status, body = await post(session, idempotencyKey="k")
        assert (status, body["ok"], body["exitCode"], body["replayed"]) == (200, False, 2, True)
        intents = repo.rows("intents.jsonl")
        assert [(row["status"], row["traceId"], row["recovered"]) for row in intents] == [("ambiguous", "t-9", True)]
    assert len(repo.calls) == 1


async def test_a_stop_ends_the_look_and_tells_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path)
    state = {"active": True, "current_loop_id": "demo", "iteration": 1}
    (tmp_path / ".superloop" / "state.json").write_text(json.dumps(state))
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    async with service(tmp_path, *IN_PEACE) as running, client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k", noConfirm=False))
        await until(lambda: called(repo))
        code, err = await asyncio.to_thread(running.stop)
        status, body = await task
    assert code == 0, err
    assert "Traceback" not in err
    assert (status, body["exitCode"], body["result"]["confirm"]["reason"]) == (409, 2, "timeout")
    assert [[row.get("status", "") for row in rows] for rows in repo.all_rows()] == [["ambiguous"], ["ambiguous"], [""]]
    async with service(tmp_path) as running, client(running) as session:
        status, body = await post(session, idempotencyKey="k", noConfirm=False)
        assert (status, body["replayed"], body["result"]["status"]) == (200, True, "ambiguous")
    assert len(repo.calls) == 1


async def test_a_command_that_a_stop_interrupts_is_left_to_the_next_start(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k"))
        await until(lambda: called(repo))
        code, err = await asyncio.to_thread(running.stop)
        await asyncio.gather(task, return_exceptions=True)
    (repo.root / "go").touch()
    assert (code, "Traceback" in err) == (0, False), err
    async with service(repo.root) as again:
        assert [row["status"] for row in repo.rows("intents.jsonl")] == ["ambiguous"]
        assert "is recorded as ambiguous" in again.stop()[1]


async def test_a_replay_is_not_spoilt_by_another_request_with_its_key(slow: tuple[Repo, Service]) -> None:
    """Whatever the one before was answered, each request is compared with the record by itself."""
    repo, running = slow
    (repo.root / "go").touch()
    async with client(running) as session:
        assert (await post(session, idempotencyKey="k"))[0] == 200
        wanted = ["approve", "cancel"] * 8
        answers = await asyncio.gather(*(post(session, idempotencyKey="k", intent=intent) for intent in wanted))
    assert [status for status, _ in answers] == [422, 200] * 8
    assert len(repo.calls) == 1


async def test_a_request_that_finds_no_place_reserves_nothing(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    async with client(running) as session:
        tasks = [asyncio.create_task(post(session, idempotencyKey=f"k-{n}")) for n in range(40)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)  # one that was refused: no command may end yet
        (repo.root / "go").touch()
        answers = await asyncio.gather(*tasks)
        refused = [number for number, (status, _) in enumerate(answers) if status == 503]
        assert refused, "more at once than there are places"
        assert len(repo.calls) == 40 - len(refused)
        status, body = await post(session, idempotencyKey=f"k-{refused[0]}")
    assert (status, body["replayed"]) == (200, False)
    assert len(repo.calls) == 41 - len(refused)


async def test_a_replay_is_answered_also_when_every_place_is_taken(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    (repo.root / "go").touch()
    async with client(running) as session:
        assert (await post(session, idempotencyKey="k"))[0] == 200
        (repo.root / "go").unlink()
        tasks = [asyncio.create_task(post(session)) for _ in range(16)]

        async def all_taken() -> bool:
            return await metric(session, "controls") == 16

        await until(all_taken)
        assert (await post(session, idempotencyKey="other"))[0] == 503
        status, body = await post(session, idempotencyKey="k")
        (repo.root / "go").touch()
        await asyncio.gather(*tasks)
    assert (status, body["replayed"]) == (200, True)


async def test_what_a_record_holds(slow: tuple[Repo, Service]) -> None:
    repo, running = slow
    path = repo.ops / "service-idempotency.json"
    fingerprint = {"loopId": "demo", "intent": "cancel", "noConfirm": True}
    async with client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k"))
        await until(lambda: called(repo))
        reserved = json.loads(path.read_text())["k"]
        assert (reserved["state"], reserved["fingerprint"], reserved["exitCode"]) == ("reserved", fingerprint, 2)
        (repo.root / "go").touch()
        _, body = await task
        record = json.loads(path.read_text())["k"]
        assert (record["state"], record["reservedAt"]) == ("completed", reserved["reservedAt"])
        assert {name: value for name, value in record.items() if name in body} == body
        _, replay = await post(session, idempotencyKey="k")
        assert replay == {**body, "replayed": True}


async def test_a_result_that_cannot_be_recorded_under_its_key_is_answered_all_the_same(
    slow: tuple[Repo, Service],
) -> None:
    repo, running = slow
    path = repo.ops / "service-idempotency.json"
    async with client(running) as session:
        task = asyncio.create_task(post(session, idempotencyKey="k"))
        await until(lambda: called(repo))
        content = path.read_bytes()
        path.write_text("{")
        (repo.root / "go").touch()
        status, body = await task
        assert (status, body["result"]["status"]) == (200, "executed_unconfirmed")
        path.write_bytes(content)
        status, body = await post(session, idempotencyKey="k")
        assert (status, body["exitCode"], body["replayed"]) == (200, 2, True)
    assert len(repo.calls) == 1


async def test_a_token_that_the_runtime_prints_leaves_with_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path, body="env; exit 3")
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    monkeypatch.setenv("OPS_MANAGER_SERVICE_TOKEN", TOKEN)
    async with service(tmp_path) as running, client(running) as session:
        status, body = await post(session, idempotencyKey="k")
        assert (status, body["result"]["exitCode"]) == (500, 3)
        assert "OPS_MANAGER_SERVICE_TOKEN=[redacted]" in body["result"]["commandOutput"]
    for path in (tmp_path / ".superloop").rglob("*.json*"):
        assert TOKEN not in path.read_text()


async def test_an_operator_can_refuse_to_stop_another_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path)
    (tmp_path / ".superloop" / "state.json").write_text('{"active": true, "current_loop_id": "other"}')
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    async with service(tmp_path) as running, client(running) as session:
        status, body = await post(session, onlyIfActive=True)
        assert (status, body["result"]["observedActiveLoopId"]) == (500, "other")
        assert repo.calls == []
        assert (await post(session))[0] == 200


@pytest.mark.parametrize("content", ["{", "[]", "", '{"k": 5}'])
async def test_records_that_cannot_be_read_execute_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    repo = Repo(tmp_path)
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    repo.ops.mkdir(parents=True)
    (repo.ops / "service-idempotency.json").write_text(content)
    async with service(tmp_path) as running, client(running) as session:
        status, body = await post(session, idempotencyKey="k")
        assert (status, body["error"]["code"]) == (500, "runtime_error")
        assert repo.calls == []
        assert (await post(session))[0] == 200  # without a key there is nothing to look up


async def test_what_a_request_may_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path)
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    async with service(tmp_path) as running, client(running) as session:
        for body in (
            {"loopId": "../x"},
            {"loopId": "fleet"},
            {"traceId": "a\nb"},
            {"idempotencyKey": "x" * 600},
            {"timeoutSeconds": -1},
            {"intervalSeconds": "1"},
            {"noConfirm": "false"},
            {"onlyIfActive": "yes"},
            {"note": "a\x00b"},
            {"by": "\ud800"},
            {"note": ["x"]},
            {"by": {"a": 1}},
            {"traceId": [1]},
            {"idempotencyKey": {"a": 1}},
        ):
            status, answer = await post(session, **body)
            assert (status, answer["error"]["code"]) == (400, "invalid_request"), body

        async def chunks() -> AsyncIterator[bytes]:
            for part in (b'{"loopId":"demo",', b'"intent":"cancel","noConfirm":true}'):
                yield part

        async with session.post("/ops/control", data=b"\xff{}") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_json")
        assert repo.calls == []
        async with session.post("/ops/control", data=chunks()) as response:
            assert (response.status, (await response.json())["ok"]) == (200, True)
        async with session.get("/ops/control") as response:
            assert response.status == 404
    assert repo.calls == [f"cancel --repo {os.path.realpath(tmp_path)}"]


@pytest.mark.parametrize("headers", [{"key_header": "clé"}, {"trace_header": "a" * 600}, {"key_header": "a\x1bb"}])
def test_a_header_that_could_not_be_meant_is_refused_also_beside_a_key_in_the_body(headers: dict[str, str]) -> None:
    body = b'{"loopId": "demo", "intent": "cancel", "idempotencyKey": "k", "traceId": "t"}'
    given = {"key_header": "", "trace_header": "", **headers}
    with pytest.raises(Refusal, match="printable ASCII"):
        parse_control(body, given["key_header"], given["trace_header"], repo="/r")

"""Tokens of a principals file beside the shared one: who may see and move what, and who did what."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opsd.access.model import Scope
from opsd.access.token_format import TokenPurpose
from tests.access.factories import principal, secret, token, write
from tests.control.support import Repo
from tests.sprite_service.support import (
    LOOP,
    PATIENCE_S,
    TOKEN,
    client,
    command,
    environment,
    event,
    get,
    make_repo,
    metric,
    service,
    until,
)

SPRITE = TokenPurpose.SPRITE
READER, OPERATOR, STRANGER = (secret(seed, SPRITE) for seed in (1, 2, 3))


def known(seed: int, **fields: Any) -> Any:
    return token(seed, purpose=SPRITE, created_at=1, **fields)


def everybody(loops: tuple[str, ...] = ("*",)) -> tuple[Any, ...]:
    return (
        principal("dash", Scope.READ, loops=loops, tokens=[known(1)]),
        principal("ann", Scope.CONTROL, tokens=[known(2)]),
        principal("web", Scope.CONTROL, loops=("web-*",), tokens=[known(3)]),
    )


def with_file(tmp_path: Path, *more: Any) -> tuple[Path, str, str]:
    path = write(tmp_path.parent / f"{tmp_path.name}.principals.json", (*everybody(), *more))
    return path, "--principals-file", str(path)


async def test_a_principal_may_do_what_its_scopes_say_to_its_loops(tmp_path: Path) -> None:
    make_repo(tmp_path)
    _, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags) as running:
        async with client(running, READER) as session:
            assert (await get(session, f"/ops/snapshot?loopId={LOOP}"))[0] == 200
            assert (await get(session, "/healthz"))[0] == 200
            async with session.post("/ops/control", json={"loopId": LOOP, "intent": "cancel"}) as response:
                body = await response.json()
            assert (response.status, body["error"]) == (
                403,
                {"code": "forbidden", "message": "this needs the scope control"},
            )
        async with client(running, STRANGER) as session:
            assert (await get(session, "/ops/loops"))[1]["loops"] == []
            for path in ("snapshot", "events", "events/stream"):
                status, body = await get(session, f"/ops/{path}?loopId={LOOP}")
                assert (status, body["error"]["message"]) == (403, "this needs the scope read for this loop")
            async with session.post("/ops/control", json={"loopId": LOOP, "intent": "cancel"}) as response:
                assert response.status == 403
            assert (await get(session, "/ops/snapshot?loopId=web-1"))[0] == 502
        async with client(running, None) as session:
            assert (await get(session, "/ops/loops", headers={"X-Ops-Token": OPERATOR}))[0] == 200


async def test_who_did_what_is_in_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path)
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    _, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags) as running:
        for sent in (OPERATOR, TOKEN):
            async with client(running, sent) as session:
                body = {"loopId": "demo", "intent": "cancel", "noConfirm": True, "by": "somebody else"}
                async with session.post("/ops/control", json=body) as response:
                    assert response.status == 200
        _, log = running.stop()
    for rows in repo.all_rows():
        assert [row["requestedBy"] for row in rows] == ["somebody else"] * 2
        assert rows[0]["principal"] == "ann"
        assert "principal" not in rows[1]
    lines = [line for line in log.splitlines() if "/ops/control" in line]
    assert [line.endswith(" principal=ann") for line in lines] == [True, False]


async def test_every_bad_token_is_answered_alike_and_told_apart_in_the_metrics(tmp_path: Path) -> None:
    make_repo(tmp_path)
    dead = principal("gone", tokens=[known(4, expires_at=2), known(5, revoked_at=2)])
    _, *flags = with_file(tmp_path, dead)
    bad = {
        "malformed": "x",
        "foreign": secret(1),
        "unknown": secret(9, SPRITE),
        "expired": secret(4, SPRITE),
        "revoked": secret(5, SPRITE),
        "missing": None,
    }
    async with service(tmp_path, *flags) as running:
        answers = []
        for sent in bad.values():
            async with client(running, sent) as session:
                answers.append(await get(session, "/ops/loops"))
        assert answers == [answers[0]] * len(bad)
        assert answers[0][1]["error"] == {"code": "unauthorized", "message": "missing or invalid token"}
        async with client(running) as session:
            for reason in bad:
                assert await metric(session, f'refused_tokens_total{{reason="{reason}"}}') == 1
        _, log = running.stop()
    assert " 401 " in log
    assert "principal=gone token=expired" in log
    assert not [text for text in bad.values() if text and len(text) > 1 and text in log]


async def test_a_revoked_token_ends_its_stream_too(tmp_path: Path) -> None:
    journal = make_repo(tmp_path)
    path, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags, "--keepalive", "0.1") as running:
        async with client(running, READER) as session:
            async with session.get(f"/ops/events/stream?loopId={LOOP}") as stream:
                assert stream.status == 200
                write(path, everybody()[1:])
                rest = (await stream.content.read()).decode()
                assert rest.endswith('event: end\ndata: {"reason":"unauthorized"}\n\n')
            assert (await get(session, "/ops/loops"))[0] == 401
            journal.write_bytes(journal.read_bytes() + event(9))
            async with session.get(f"/ops/events/stream?loopId={LOOP}") as stream:
                assert stream.status == 401


async def test_a_damaged_file_keeps_the_last_good_one_and_readiness_says_so(tmp_path: Path) -> None:
    make_repo(tmp_path)
    path, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags) as running, client(running, READER) as session:
        path.write_text("{")

        async def told() -> bool:
            status, body = await get(session, "/readyz")
            assert (status, body["ok"]) == (200, True)
            return bool(body["reasons"])

        await until(told)
        write(path, everybody(loops=("web-*",)))

        async def in_force() -> bool:
            return (await get(session, f"/ops/snapshot?loopId={LOOP}"))[0] == 403

        async def is_well_again() -> bool:
            return (await get(session, "/readyz"))[1]["reasons"] == []

        await until(in_force)
        await until(is_well_again)


async def test_with_a_principals_file_no_shared_token_is_needed_and_nobody_is_anonymous(tmp_path: Path) -> None:
    make_repo(tmp_path)
    _, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags, token=None) as running:
        async with client(running, None) as session:
            assert (await get(session, "/ops/loops"))[0] == 401
            assert (await get(session, "/ops/loops", headers={"X-Ops-Token": ""}))[0] == 401
        async with client(running, OPERATOR) as session:
            assert (await get(session, "/ops/loops"))[0] == 200


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--principals-file", "/nowhere"], "principals file /nowhere: not found"),
        (["--principals-file", "/nowhere", "--allow-anonymous"], "--allow-anonymous and --principals-file exclude"),
    ],
)
async def test_a_file_that_cannot_be_used_ends_the_start(tmp_path: Path, flags: list[str], message: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        command(tmp_path, *flags),
        capture_output=True,
        text=True,
        check=False,
        env=environment(None),
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


async def test_an_intent_that_a_crash_interrupted_is_still_told_with_its_principal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path, body=f'while [ ! -e "{tmp_path}/go" ]; do sleep 0.01; done')
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    _, *flags = with_file(tmp_path)
    async with service(tmp_path, *flags) as running, client(running, OPERATOR) as session:
        body = {"loopId": "demo", "intent": "cancel", "noConfirm": True}
        asking = asyncio.create_task(session.post("/ops/control", json=body))

        async def begun() -> bool:
            return bool(repo.calls)

        await until(begun)
        running.process.kill()
        (answer,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(answer, aiohttp.ClientError)
    (tmp_path / "go").touch()
    async with service(tmp_path, *flags):
        pass
    assert [[row["principal"] for row in rows] for rows in repo.all_rows()] == [["ann"]] * 3
    assert [row["status"] for row in repo.rows("intents.jsonl")] == ["ambiguous"]
    assert not [path for path in repo.ops.rglob("*.json*") if OPERATOR in json.dumps(path.read_text())]

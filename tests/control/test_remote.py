"""What a service's answer means, and what no answer means (contract 30, 3.3 and weaknesses 7 and 8)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsd.control.remote import ServiceAnswer, control_body, verdict_of
from tests.control.support import Repo
from tests.transport.misbehaving import Answer, respond, send, serving


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ok": True}, ("confirmed", True, 0)),
        ({"ok": False}, ("failed_command", False, 1)),
        ({"ok": False, "exitCode": 2}, ("ambiguous", False, 2)),
        ({"ok": True, "result": {"status": "executed"}}, ("executed", False, 1)),
        ({"exitCode": -9, "result": {"status": "executed_unconfirmed"}}, ("executed_unconfirmed", False, 0)),
        ({"ok": True, "result": "text"}, ("failed_command", False, 1)),
        ([], ("failed_command", False, 1)),
    ],
)
def test_the_service_answer_becomes_a_verdict(answer: Any, expected: tuple[str, bool, int]) -> None:
    verdict = verdict_of(ServiceAnswer(0, json.dumps(answer).encode()), "c")
    assert (verdict.status, verdict.confirmed, verdict.exit) == expected


def test_the_body_holds_what_is_needed_and_no_more(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    body = json.loads(control_body(repo.request("approve", note="n")))
    assert list(body) == [
        "loopId",
        "intent",
        "by",
        "note",
        "traceId",
        "idempotencyKey",
        "noConfirm",
        "timeoutSeconds",
        "intervalSeconds",
    ]
    assert "note" not in json.loads(control_body(repo.request()))


RESULT = b'{"ok":false,"exitCode":2,"result":{"status":"ambiguous","confirm":{"reason":"timeout"}},"replayed":false}'


@pytest.mark.parametrize(
    ("answers", "attempts", "expected"),
    [
        ([respond(409, RESULT)], 1, (2, "ambiguous", 2)),  # a final answer that carries the result is used
        ([respond(500, b'{"ok":false,"exitCode":1}')], 1, (1, "failed_command", 1)),
        ([respond(401, b'{"ok":false}')], 3, (1, "failed_command", 1)),
        ([send(b"")], 2, (2, "ambiguous", 1)),  # the connection broke, twice: it may have run
        ([send(b""), respond(200, RESULT)], 2, (2, "ambiguous", 2)),  # sent again under the same key
        ([send(b""), respond(503)], 2, (2, "ambiguous", 1)),  # the first one may have run, whatever the second is told
        ([send(b""), respond(401)], 2, (2, "ambiguous", 1)),
        ([respond(200, b'"' + b"x" * 5_000_000 + b'"')], 1, (2, "ambiguous", 1)),  # larger than any row may be
        ([respond(200, b'{"result":{"status":"a\\u001b\\nb"}}')], 1, (1, "a\x1b\nb", 0)),
    ],
)
async def test_over_sockets(
    tmp_path: Path, answers: list[Answer], attempts: int, expected: tuple[int, str, int]
) -> None:
    repo = Repo(tmp_path)
    async with serving(*answers) as server:
        command = [sys.executable, "-m", "opsd", "control", "--repo", str(tmp_path), "--loop", "demo"]
        command += ["--intent", "cancel", "--transport", "sprite_service", "--service-base-url", server.url]
        command += ["--retry-attempts", str(attempts), "--retry-backoff-seconds", "0", "--timeout-seconds", "0"]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
        )
    row = json.loads(done.stdout)
    assert (done.returncode, row["status"], row["exitCode"]) == expected
    assert [len(rows) for rows in repo.all_rows()] == [1, 1, 1]
    assert len(server.requests) <= attempts


async def run_control(root: Path, *flags: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opsd", "control", "--repo", str(root), "--loop", "demo", "--intent", "cancel"]
    return await asyncio.to_thread(
        subprocess.run,
        [*command, "--transport", "sprite_service", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(env or {})},
    )


async def test_a_token_that_may_not_travel_is_a_failure_and_no_doubt(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    secret = {"OPS_MANAGER_SERVICE_TOKEN": "s3cr3t-t0ken"}
    done = await run_control(tmp_path, "--service-base-url", "http://sprite.invalid:1", env=secret)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (1, "failed_command")
    assert "refusing to send a token" in done.stderr
    assert [len(rows) for rows in repo.all_rows()] == [1, 1, 1]
    assert (repo.pending, repo.locks) == ([], [])


async def test_the_token_comes_from_a_file_and_stands_in_no_row(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    secret = "s3cr3t-t0ken"
    (tmp_path / "token").write_text(f"{secret}\n")
    echo = json.dumps({"ok": True, "exitCode": 0, "result": {"status": "confirmed", "commandOutput": secret}})
    async with serving(respond(200, echo.encode())) as server:
        url = server.url.replace("http://", f"http://{secret}@")
        given = ("--service-token-file", str(tmp_path / "token"))
        done = await run_control(tmp_path, "--service-base-url", server.url, *given)
        assert f"Bearer {secret}".encode() in server.requests[0]
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "confirmed")
    done = await run_control(tmp_path, "--service-base-url", url, "--retry-attempts", "1")
    assert json.loads(done.stdout)["command"].startswith("POST http://[redacted]@127.0.0.1:")
    assert secret not in done.stdout + done.stderr
    for path in (tmp_path / ".superloop").rglob("*.jsonl"):
        assert secret not in path.read_text()
    missing = await run_control(tmp_path, "--service-base-url", url, "--service-token-file", "missing")
    assert (missing.returncode, missing.stderr) == (1, "error: token file cannot be read: missing\n")
    assert len(repo.rows("intents.jsonl")) == 2


@pytest.mark.parametrize("flag", ["--idempotency-key", "--trace-id"])
async def test_what_would_break_a_header_is_refused_before_anything_is_written(tmp_path: Path, flag: str) -> None:
    repo = Repo(tmp_path)
    done = await run_control(tmp_path, "--service-base-url", "http://127.0.0.1:1", flag, "a\r\nb")
    assert (done.returncode, done.stderr) == (1, f"error: {flag} must not hold control characters\n")
    assert not repo.ops.exists()


async def test_nobody_there_is_a_failure_and_no_doubt(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opsd", "control", "--repo", str(tmp_path), "--loop", "demo", "--intent", "cancel"]
    command += ["--transport", "sprite_service", "--service-base-url", "http://127.0.0.1:1"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (1, "failed_command")
    assert "code=000" in done.stderr

"""What a service's answer means, and what no answer means (contract 30, 3.3 and weaknesses 7 and 8)."""

from __future__ import annotations

import asyncio
import json
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
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    row = json.loads(done.stdout)
    assert (done.returncode, row["status"], row["exitCode"]) == expected
    assert [len(rows) for rows in repo.all_rows()] == [1, 1, 1]
    assert len(server.requests) <= attempts


async def test_nobody_there_is_a_failure_and_no_doubt(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opsd", "control", "--repo", str(tmp_path), "--loop", "demo", "--intent", "cancel"]
    command += ["--transport", "sprite_service", "--service-base-url", "http://127.0.0.1:1"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (1, "failed_command")
    assert "code=000" in done.stderr

"""Control as the handoff calls it: a program in its place, and in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from opsd import compose
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.control.ledger import Ledger
from opsd.control.verdict import ControlRequest, Intent
from opsd.fleet.handoff.control import ControlProgram, InProcessControl
from opsd.fleet.handoff.dispatch import ControlAnswer, DispatchRequest, printed_object

TOKEN = "t0ken-of-the-loop"


def _request(**fields: object) -> DispatchRequest:
    values: dict[str, object] = {
        "loop_id": "far",
        "intent": "cancel",
        "transport": "local",
        "trace_id": "t",
        "idempotency_key": "k",
        "by": "mira",
        "note": "why",
        "timeout_s": 0,
        "interval_s": 1,
        "confirm": True,
    }
    return DispatchRequest(**{**values, **fields})  # type: ignore[arg-type]


def _program(folder: Path, body: str) -> str:
    path = folder / "control"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


SERVICE = {"transport": "sprite_service", "base_url": "http://127.0.0.1:1", "token_env": "FAR_TOKEN"}


def test_a_token_is_in_the_childs_environment_and_nowhere_else(tmp_path: Path) -> None:
    says = """printf '{"argv":"%s","token":"%s"}' "$*" "${OPS_MANAGER_SERVICE_TOKEN}" """
    program = _program(tmp_path, f'echo "$OPS_MANAGER_SERVICE_TOKEN" > {tmp_path}/token; {says}')
    answer = ControlProgram(program, "/r", {**os.environ, "FAR_TOKEN": TOKEN})(_request(**SERVICE))
    assert (tmp_path / "token").read_text().strip() == TOKEN
    assert answer.output is not None
    assert answer.output["token"] == "[redacted]"
    assert "--service-base-url http://127.0.0.1:1 --retry-attempts 3" in answer.output["argv"]


def test_a_local_loops_control_gets_no_token_of_its_own(tmp_path: Path) -> None:
    program = _program(tmp_path, 'echo "{\\"token\\":\\"$OPS_MANAGER_SERVICE_TOKEN\\"}"')
    answer = ControlProgram(program, "/r", {"PATH": os.environ["PATH"], "FAR_TOKEN": TOKEN})(
        _request(token_env="FAR_TOKEN")
    )
    assert answer == ControlAnswer(0, {"token": ""})


def test_a_token_that_is_not_in_the_environment_reaches_the_child_of_a_service_loop_alone(tmp_path: Path) -> None:
    program = _program(tmp_path, f'echo "$OPS_MANAGER_SERVICE_TOKEN" > {tmp_path}/token; echo "{{}}"')
    env = {"PATH": os.environ["PATH"], "OPS_MANAGER_CONTROL_SCRIPT": program}
    control = compose.handoff_control("/r", env, service_token=TOKEN)
    assert TOKEN not in repr(control)
    control(_request(transport="sprite_service", base_url="http://127.0.0.1:1"))
    assert (tmp_path / "token").read_text().strip() == TOKEN
    control(_request())
    assert (tmp_path / "token").read_text().strip() == ""


def test_control_reads_nothing_from_us(tmp_path: Path) -> None:
    program = _program(tmp_path, "cat; echo '{}'")
    assert ControlProgram(program, "/r", os.environ)(_request()) == ControlAnswer(0, {})


def test_what_a_failing_control_says_is_kept(tmp_path: Path) -> None:
    program = _program(tmp_path, "echo no way >&2; exit 9")
    assert ControlProgram(program, "/r", os.environ)(_request()) == ControlAnswer(9, None, "no way")


def test_a_killed_control_answers_with_its_signal(tmp_path: Path) -> None:
    assert ControlProgram(_program(tmp_path, "kill -9 $$"), "/r", os.environ)(_request()).exit_code == 137


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        (b'{"a":1}\n', b"", {"a": 1}),
        (b'{"a":1}\n', b"slow disk\n", {"a": 1}),
        (b"", b'{"a":1}', {"a": 1}),
        (b'{"a":1}', b'{"b":1}', {"a": 1}),
        (b"", b"", None),
        (b'{"a":1} {"b":2}', b"", None),
        (b"[1]", b"", None),
        (b"7", b"", None),
        (b"null", b"", None),
    ],
)
def test_exactly_one_object_is_taken_from_what_control_prints(
    stdout: bytes, stderr: bytes, expected: JsonObject | None
) -> None:
    assert printed_object(stdout + stderr, stdout) == expected


def test_control_in_this_process_writes_its_rows_under_the_handoffs_ids(tmp_path: Path) -> None:
    superloop = _program(tmp_path, "echo done")
    control = compose.handoff_control(str(tmp_path), {"SUPERLOOP_BIN": superloop})
    answer = control(_request(confirm=False))
    assert (answer.exit_code, answer.output and answer.output["status"]) == (0, "executed_unconfirmed")
    row = json.loads((tmp_path / ".superloop/ops-manager/far/telemetry/control.jsonl").read_text())
    assert (row["traceId"], row["idempotencyKey"], row["requestedBy"]) == ("t", "k", "mira")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"intent": "Ask Human!"}, "intent must be one of: cancel, approve, reject"),
        ({"transport": "pigeon"}, "transport must be one of: local, sprite_service"),
        ({"loop_id": "../x"}, "invalid loop id: ../x"),
    ],
)
def test_what_control_refuses_is_an_answer(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    assert InProcessControl(str(tmp_path), {})(_request(**fields)) == ControlAnswer(1, None, message)
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_is_down_is_a_failure_with_its_rows_and_a_reason(tmp_path: Path) -> None:
    answer = InProcessControl(str(tmp_path), {"FAR_TOKEN": TOKEN})(_request(**SERVICE, retry_attempts=1))
    assert (answer.exit_code, answer.output and answer.output["status"]) == (1, "failed_command")
    assert "service request failed" in answer.message
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN.encode() not in written


def test_a_loop_is_controlled_while_an_intent_of_a_living_process_is_under_way(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), LoopId("far"), clock=lambda: 0.0)
    assert not compose.loop_is_controlled(str(tmp_path), "far")
    request = ControlRequest(str(tmp_path), LoopId("far"), Intent.CANCEL, "mira", "", "t", "k")
    pending = ledger.begin(request, "2026-11-26T08:00:00Z")
    assert compose.loop_is_controlled(str(tmp_path), "far")
    ledger.abandon(pending)  # as if the process had died
    assert not compose.loop_is_controlled(str(tmp_path), "far")

"""An intent is written down before it runs, whatever happens then it runs once at most, and it is recorded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsd.cli.main import main
from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.control.ledger import Ledger, UnrecordedError
from opsd.control.local import LocalExecutor
from opsd.control.recovery import recover_all
from opsd.control.runner import Control
from opsd.control.verdict import ControlRequest, Verdict
from tests.control.support import Repo
from tests.runtime.stopped import await_end, stopped_after_it_began

ROOT = Path(__file__).resolve().parents[2]

#: Runs one cancel and kills itself with -9 at the named point, the given number of calls in.
_SCRIPT = """
import os, signal, sys
from opsd.control import local, runner
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.control.verdict import ControlRequest, Intent
from opsd.storage import intent_journal, row_files

def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def killing(owner, name, after):
    real, state = getattr(owner, name), {"calls": 0}
    def call(*args, **kwargs):
        before, count = after < 0, abs(after)
        state["calls"] += 1
        if before and state["calls"] == count:
            die()
        result = real(*args, **kwargs)
        if not before and state["calls"] == count:
            die()
        return result
    setattr(owner, name, call)

owner, name, after, repo, program = sys.argv[1:]
owners = {"row_files": row_files, "local": local, "journal": intent_journal.IntentJournal}
killing(owners[owner], name, int(after))
request = ControlRequest(repo, LoopId("demo"), Intent("cancel"), "tester", "", "t-1", "key-1", timeout_s=0)
runner.Control(local.LocalExecutor({"SUPERLOOP_BIN": program})).run(request)
"""

#: (owner, function, after the n-th call; before it when negative) -> how often the command may have run.
POINTS = {
    "before-anything": ("row_files", "append_lines", -1, 0),
    "written-down": ("row_files", "append_lines", 1, 0),
    "begun": ("journal", "begin", 1, 0),
    "before-the-command": ("local", "run_program", -1, 0),
    "after-the-command": ("local", "run_program", 1, 1),
    "before-the-verdict": ("row_files", "append_lines", -2, 1),
    "after-the-verdict": ("row_files", "append_lines", 2, 1),
    "after-the-first-row": ("row_files", "append_lines", 3, 1),
    "after-the-second-row": ("row_files", "append_lines", 4, 1),
    "after-the-third-row": ("row_files", "append_lines", 5, 1),
    "recorded": ("row_files", "append_lines", 6, 1),
    "before-the-end": ("journal", "release", -1, 1),
}


ROWS_BEGUN = ("after-the-first-row", "after-the-second-row", "after-the-third-row", "recorded", "before-the-end")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_it_never_runs_twice_and_is_recorded_once(tmp_path: Path, point: str) -> None:
    owner, name, after, runs = POINTS[point]
    repo = Repo(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(_SCRIPT), owner, name, str(after), str(tmp_path)]
    done = subprocess.run(
        [*command, str(repo.superloop)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(repo.calls) == runs
    recovered = recover_all(str(tmp_path))
    assert len(repo.calls) == runs, "a recovery executes nothing"
    written_down = point != "before-anything"
    intents, telemetry, audit = repo.all_rows()
    assert [len(rows) for rows in (intents, telemetry, audit)] == [int(written_down)] * 3
    assert repo.pending == []
    if not written_down:
        return
    known = point in ROWS_BEGUN or point == "after-the-verdict"
    assert intents[0]["status"] == ("confirmed" if known else "ambiguous")
    assert intents[0].get("recovered") is (None if known else True)
    assert telemetry[0].get("reasonCode") == (None if known else "control_ambiguous")
    assert len({row["controlId"] for row in (intents[0], telemetry[0], audit[0])}) == 1
    # The intents row comes first: from there on nothing new is told.
    assert bool(recovered) == (point not in ROWS_BEGUN)
    assert recover_all(str(tmp_path)) == []
    Control(LocalExecutor(repo.env)).run(repo.request())
    assert (repo.pending, repo.locks) == ([], []), "the next control removes what the dead one held"


def test_what_runs_just_now_is_left_alone(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    seen: list[object] = []

    def execute(request: ControlRequest) -> Verdict:
        seen.append(recover_all(request.repo))
        seen.append(Ledger(request.repo, request.loop_id, clock=lambda: 0.0).recover())
        return Verdict("confirmed", "x")

    Control(execute).run(repo.request())
    assert seen == [[], []]
    assert [len(rows) for rows in repo.all_rows()] == [1, 1, 1]
    assert repo.pending == []


def test_a_control_tells_of_the_one_that_was_lost(tmp_path: Path) -> None:
    repo = Repo(tmp_path)

    def interrupted(_request: ControlRequest) -> Verdict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Control(interrupted).run(repo.request(note="first"))
    told: list[dict[str, object]] = []
    Control(LocalExecutor(repo.env), on_recovered=told.append).run(repo.request(note="second"))
    assert [(row["note"], row["status"]) for row in told] == [("first", "ambiguous")]
    assert [row["note"] for row in repo.rows("intents.jsonl")] == ["first", "second"]
    assert "repeatedIdempotencyKey" in repo.rows("intents.jsonl")[1]


def test_what_cannot_be_written_down_is_not_executed(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    (tmp_path / ".superloop" / "ops-manager").write_text("a file in the way")
    with pytest.raises(ManagerFileError):
        Control(LocalExecutor(repo.env)).run(repo.request())
    assert repo.calls == []


def test_the_commands_of_one_repo_run_one_after_the_other(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    repo = Repo(tmp_path, body=f'echo begin >> "{marks}"; sleep 0.05; echo end >> "{marks}"')
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda _n: Control(LocalExecutor(repo.env)).run(repo.request())[1], range(4)))
    assert [verdict.status for verdict in verdicts] == ["confirmed"] * 4
    assert marks.read_text().split() == ["begin", "end"] * 4


def test_a_record_that_nobody_understands_is_kept(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    journal = repo.ops / "intent-journal.jsonl"
    journal.parent.mkdir(parents=True)
    lines = ["nonsense", "5", '{"controlId":"../x","phase":"started"}']
    lines += ['{"controlId":"a","phase":"started","request":5}', '{"controlId":"b","phase":"finished"}']
    journal.write_text("\n".join(lines) + '\n{"controlId":"c","phase":"star')
    assert recover_all(str(tmp_path)) == []
    assert repo.all_rows() == [[], [], []]
    assert recover_all(str(tmp_path)) == []
    written = journal.read_text().splitlines()
    assert written[:5] == lines
    assert [json.loads(line) for line in written[6:]] == [{"controlId": "a", "phase": "unusable"}]


def test_the_journal_is_put_aside_only_while_no_intent_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsd.storage.intent_journal._ROTATE_OVER", 10)
    repo = Repo(tmp_path)
    aside = repo.ops / "intent-journal.jsonl.1"

    def execute(_request: ControlRequest) -> Verdict:
        Control(LocalExecutor(repo.env)).run(repo.request(trace_id="inner"))
        assert not aside.exists()
        return Verdict("confirmed", "x")

    Control(execute).run(repo.request())
    assert [row["phase"] for row in repo.rows("intent-journal.jsonl")] == [
        "started",
        *("started", "finished", "recorded"),
        *("finished", "recorded"),
    ]
    Control(LocalExecutor(repo.env)).run(repo.request())
    assert aside.exists()
    assert len(repo.rows("intent-journal.jsonl")) == 3


def test_many_controls_at_once_are_each_recorded_once(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: Control(LocalExecutor(repo.env)).run(repo.request(trace_id=f"t-{n}")), range(24)))
    assert len(repo.calls) == 24
    for rows in repo.all_rows():
        assert sorted(row["traceId"] for row in rows) == sorted(f"t-{n}" for n in range(24))
    assert (repo.pending, repo.locks) == ([], [])


def test_rows_that_cannot_be_written_are_completed_by_the_next_control(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    repo.ops.mkdir(parents=True)
    (repo.ops / "telemetry").write_text("a file in the way")
    with pytest.raises(UnrecordedError) as raised:
        Control(LocalExecutor(repo.env)).run(repo.request())
    assert (raised.value.row["status"], raised.value.verdict.exit) == ("confirmed", 0)
    (repo.ops / "telemetry").unlink()
    Control(LocalExecutor(repo.env)).run(repo.request(trace_id="t-2"))
    for rows in repo.all_rows():
        assert [row["traceId"] for row in rows] == ["t-1", "t-2"]
    assert len(repo.calls) == 2


def test_what_was_executed_and_not_recorded_is_printed_with_its_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = Repo(tmp_path)
    monkeypatch.setenv("SUPERLOOP_BIN", str(repo.superloop))
    repo.ops.mkdir(parents=True)
    (repo.ops / "telemetry").write_text("a file in the way")
    assert main(["control", "--repo", str(tmp_path), "--loop", "demo", "--intent", "cancel"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["status"] == "confirmed"
    assert printed.err.startswith("error: cannot write ")


def test_no_row_holds_a_token_that_a_program_prints(tmp_path: Path) -> None:
    secret = "s3cr3t-t0ken"
    repo = Repo(tmp_path, body=f"echo token={secret}")
    confirm = tmp_path / "confirm"
    confirm.write_text(f'#!/bin/sh\necho \'{{"env": ["{secret}"]}}\'\n')
    confirm.chmod(0o755)
    env = {**repo.env, "OPS_MANAGER_CONFIRM_SCRIPT": str(confirm)}
    row, _ = Control(LocalExecutor(env), secrets=("", "abc", secret)).run(repo.request())
    assert row["commandOutput"] == "token=[redacted]"
    assert row["confirm"] == {"env": ["[redacted]"]}
    for path in (tmp_path / ".superloop").rglob("*.jsonl"):
        assert secret not in path.read_text()


@pytest.mark.parametrize(("flag", "calls"), [(False, 1), (True, 0)])
def test_a_cancel_that_would_stop_another_loop_is_refused_on_demand(tmp_path: Path, flag: bool, calls: int) -> None:
    repo = Repo(tmp_path)
    (tmp_path / ".superloop" / "state.json").write_text('{"active": true, "current_loop_id": "other"}')
    request = repo.request(loop_id=LoopId("unheard-of"), only_if_active=flag)
    row, verdict = Control(LocalExecutor(repo.env)).run(request)
    assert row["observedActiveLoopId"] == "other"
    assert len(repo.calls) == calls
    if flag:
        assert (verdict.status, verdict.exit) == ("failed_command", 1)
        assert "another loop is active in this repo: other" in row["commandOutput"]


def test_a_command_that_never_ends_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    repo, child = Repo(tmp_path, body=f'sleep 600 & echo $! > "{tmp_path}/child"; wait'), tmp_path / "child"

    def run(timeout_s: float) -> tuple[JsonObject, Verdict, float]:
        row, verdict = Control(LocalExecutor(repo.env, command_timeout_s=timeout_s)).run(repo.request())
        return row, verdict, timeout_s

    row, verdict, timeout_s = stopped_after_it_began(child, run)
    assert (verdict.exit, row["status"], row["exitCode"]) == (1, "failed_command", 124)
    assert f"was stopped after {timeout_s:g} s" in row["commandOutput"]
    await_end(int(child.read_text()))

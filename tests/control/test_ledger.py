"""An intent is written down before it runs, whatever happens then it runs once at most, and it is recorded."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsd.contract.errors import ManagerFileError
from opsd.control.ledger import Ledger
from opsd.control.local import LocalExecutor
from opsd.control.recovery import recover_all
from opsd.control.runner import Control
from opsd.control.verdict import ControlRequest, Verdict
from tests.control.support import Repo

ROOT = Path(__file__).resolve().parents[2]

#: Runs one cancel and kills itself with -9 at the named point, the given number of calls in.
_SCRIPT = """
import os, signal, sys
from opsd.control import ledger, local, runner
from opsd.contract.ids import LoopId
from opsd.control.verdict import ControlRequest, Intent
from opsd.storage import files

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
owners = {"pending": ledger.Pending, "files": files, "local": local, "ledger": ledger, "os": os}
killing(owners[owner], name, int(after))
request = ControlRequest(repo, LoopId("demo"), Intent("cancel"), "tester", "", "t-1", "key-1", timeout_s=0)
runner.Control(local.LocalExecutor({"SUPERLOOP_BIN": program})).run(request)
"""

#: (owner, function, after the n-th call; before it when negative) -> how often the command may have run.
POINTS = {
    "before-anything": ("os", "rename", -1, 0),
    "written-down": ("os", "rename", 1, 0),
    "before-the-command": ("local", "run_program", -1, 0),
    "after-the-command": ("local", "run_program", 1, 1),
    "before-the-verdict": ("pending", "note", -2, 1),
    "after-the-verdict": ("pending", "note", 2, 1),
    "after-the-first-row": ("files", "append_lines", 1, 1),
    "after-the-second-row": ("files", "append_lines", 2, 1),
    "after-the-third-row": ("files", "append_lines", 3, 1),
    "before-the-end": ("pending", "close", -1, 1),
}


ROWS_BEGUN = ("after-the-first-row", "after-the-second-row", "after-the-third-row", "before-the-end")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_it_never_runs_twice_and_is_recorded_once(tmp_path: Path, point: str) -> None:
    owner, name, after, runs = POINTS[point]
    repo = Repo(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(_SCRIPT), owner, name, str(after), str(tmp_path)]
    done = subprocess.run(
        [*command, str(repo.superloop)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
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
    folder = repo.ops / "control-pending"
    folder.mkdir(parents=True)
    for name, text in (("a.jsonl", ""), ("b.jsonl", "nonsense\n"), ("c.jsonl", '{"request": 5}\n')):
        (folder / name).write_text(text)
    assert recover_all(str(tmp_path)) == []
    assert len(repo.pending) == 3


def test_a_command_that_never_ends_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    repo = Repo(tmp_path, body=f'sleep 60 & echo $! > "{tmp_path}/child"; wait')
    row, verdict = Control(LocalExecutor(repo.env, command_timeout_s=0.3)).run(repo.request())
    assert (verdict.exit, row["status"], row["exitCode"]) == (1, "failed_command", 124)
    assert "was stopped after 0.3 s" in row["commandOutput"]
    child = Path(f"/proc/{int((tmp_path / 'child').read_text())}")
    deadline = time.monotonic() + 10
    while child.exists() and (child / "stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline

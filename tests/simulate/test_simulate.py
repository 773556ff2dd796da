"""The simulated runtime behaves as contract 05 says, and the manager sees what it would see of a real one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.main import main
from opsd.contract.errors import ArtifactError
from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.runtime.reader import LoopReader
from tests.daemon.support import daemon, remote, sprite, write_registry

#: Enough for every run, in seconds.
PATIENCE_S = 120.0


def start(repo: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "opsd", "simulate", "run", "--repo", str(repo), "--loop", "demo"]
    return subprocess.Popen([*command, *flags], start_new_session=True)


def snapshot(repo: Path) -> dict[str, Any]:
    return dict(LoopReader(str(repo), LoopId("demo")).snapshot(now=format_utc(time.time()), trace_id=None))


def events(repo: Path) -> list[str]:
    path = repo / ".superloop" / "loops" / "demo" / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["event"] for line in lines if line.endswith("\n")]


def seen(repo: Path) -> dict[str, Any]:
    """A snapshot of a run that goes on; empty where a file is just being rewritten for too long."""
    try:
        return snapshot(repo)
    except ArtifactError:
        return {}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("flags", "code", "last", "state"),
    [
        ([], 0, "loop_complete", "complete"),
        (["--torn"], 0, "loop_complete", "complete"),
        (["--approval"], 0, "approval_requested", "awaiting_approval"),
        (["--ending", "stopped"], 1, "loop_stop", "stopped"),
        (["--ending", "timeout"], 1, "role_timeout", "failed"),
        (["--ending", "agent-failed"], 1, "role_start", "running"),
        (["--ending", "crashed"], -signal.SIGKILL, "role_start", "running"),
    ],
)
def test_each_ending_leaves_what_a_real_one_leaves(
    tmp_path: Path, flags: list[str], code: int, last: str, state: str
) -> None:
    with start(tmp_path, "--iterations", "2", "--seconds", "0", *flags) as process:
        assert process.wait(PATIENCE_S) == code
    assert events(tmp_path)[0] == "loop_start"
    assert events(tmp_path)[-1] == last
    found = snapshot(tmp_path)
    assert found["run"]["status"] == state
    crashed = code == -signal.SIGKILL
    assert (tmp_path / ".superloop" / "active-run.json").exists() is crashed
    assert found["runtime"]["liveness"]["verdict"] == ("dead" if crashed else "unknown")


def test_a_run_blocks_another_one_until_it_is_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start(tmp_path, "--iterations", "1", "--seconds", "0", "--ending", "stalled") as process:
        wait_for(lambda: "role_start" in events(tmp_path) and seen(tmp_path).get("run", {}).get("status") == "running")
        assert snapshot(tmp_path)["runtime"]["liveness"]["verdict"] == "alive"
        flags = ["--repo", str(tmp_path), "--loop", "demo"]
        assert main(["simulate", "run", *flags]) == 1
        assert "already running" in capsys.readouterr().err
        reaper = asyncio.to_thread(process.wait, PATIENCE_S)

        async def cancel() -> None:
            waiting = asyncio.ensure_future(reaper)
            assert await asyncio.to_thread(main, ["simulate", "cancel", "--repo", str(tmp_path)]) == 0
            assert await waiting == 143

        asyncio.run(cancel())
    out = capsys.readouterr().out
    assert out == "Cancelled loop: demo\nCancelled loop state and stopped active run process.\n"
    assert main(["simulate", "cancel", "--repo", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "No active state file found.\n"
    assert snapshot(tmp_path)["run"]["status"] == "unknown"


def test_a_decision_is_recorded_once_and_consumed_by_the_next_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--repo", str(tmp_path), "--loop", "demo"]
    assert main(["simulate", "approve", *flags]) == 1
    assert capsys.readouterr().err == "error: no approval request found for loop 'demo'\n"
    run = ["--iterations", "1", "--seconds", "0", "--approval"]
    with start(tmp_path, *run) as process:
        assert process.wait(PATIENCE_S) == 0
    with start(tmp_path, *run) as process:  # undecided: it waits for somebody
        assert process.wait(PATIENCE_S) == 0
    assert events(tmp_path)[-1] == "approval_wait"
    assert main(["simulate", "approve", *flags, "--by", "o'neil", "--note", "fine"]) == 0
    assert capsys.readouterr().out == "Recorded approval decision (approved) for loop 'demo'.\n"
    assert snapshot(tmp_path)["run"]["status"] == "idle"
    assert main(["simulate", "approve", *flags]) == 1
    assert "not pending (status=approved)" in capsys.readouterr().err
    with start(tmp_path, *run) as process:
        assert process.wait(PATIENCE_S) == 0
    assert events(tmp_path)[-3:] == ["loop_start", "approval_consumed", "loop_complete"]
    assert snapshot(tmp_path)["run"]["status"] == "complete"


async def test_a_killed_run_is_critical_within_two_periods_and_a_healthy_one_never(tmp_path: Path) -> None:
    """Over HTTP: the sprite service judges inside its VM what the manager cannot see."""
    manager = tmp_path / "manager"
    killed, healthy = tmp_path / "killed", tmp_path / "healthy"
    for repo in (killed, healthy):
        (repo / ".superloop" / "loops" / "demo").mkdir(parents=True)
        (repo / ".superloop" / "loops" / "demo" / "events.jsonl").touch()
    with start(killed, "--ending", "stalled", "--iterations", "1", "--seconds", "0") as victim:
        (healthy / ".superloop" / "loops" / "demo").rename(healthy / ".superloop" / "loops" / "other")
        run = [sys.executable, "-m", "opsd", "simulate", "run", "--repo", str(healthy), "--loop", "other"]
        with subprocess.Popen([*run, "--iterations", "6", "--seconds", "0.05", "--torn"]) as other:
            async with sprite(killed) as first, sprite(healthy) as second:
                write_registry(manager, remote("demo", first.url), remote("other", second.url))
                async with daemon(manager, "--reconcile-resync-seconds", "0.3") as running:

                    async def is_running() -> bool:
                        view = await running.view("demo")
                        return view.get("state") == "running" and view["healthStatus"] == "healthy"

                    await running.until(is_running)
                    os.kill(victim.pid, signal.SIGKILL)
                    await asyncio.to_thread(victim.wait, PATIENCE_S)
                    passes = (await running.metrics())['opsd_reconciles_total{result="success"}']

                    async def missing() -> bool:
                        return "run_process_missing" in (await running.view("demo"))["reasonCodes"]

                    await running.until(missing)
                    view = await running.view("demo")
                    assert (view["state"], view["healthStatus"]) == ("running", "critical")

                    async def another_pass() -> bool:
                        return (await running.metrics())['opsd_reconciles_total{result="success"}'] > passes

                    await running.until(another_pass)
                    assert await asyncio.to_thread(other.wait, PATIENCE_S) == 0
                    await running.until_state("other", "complete", len(_lines(healthy)))
                rows = (manager / ".superloop/ops-manager/other/telemetry/reconcile.jsonl").read_text()
                assert "run_process_missing" not in rows
                state = json.loads((manager / ".superloop/ops-manager/demo/state.json").read_text())
                evidence = state["health"]["evidence"]["liveness"]
                assert (evidence["verdict"], evidence["pid"]) == ("dead", victim.pid)


def _lines(repo: Path) -> list[bytes]:
    return (repo / ".superloop" / "loops" / "other" / "events.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("seconds", ["0", "0.02", "0.3"])
def test_a_healthy_run_of_any_pace_is_never_dead(tmp_path: Path, seconds: str) -> None:
    verdicts: set[str] = set()
    with start(tmp_path, "--iterations", "3", "--seconds", seconds, "--torn") as process:
        wait_for(lambda: "loop_start" in events(tmp_path))
        reader = LoopReader(str(tmp_path), LoopId("demo"))
        while process.poll() is None:
            try:
                found = reader.snapshot(now=format_utc(time.time()), trace_id=None)
            except ArtifactError:
                continue  # a file is just being rewritten
            if found["run"]["status"] == "running":
                verdicts.add(found["runtime"]["liveness"]["verdict"])
    assert "dead" not in verdicts


def test_a_run_that_has_ended_is_spared_only_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(tmp_path, "--iterations", "1", "--seconds", "0") as process:
        process.wait(PATIENCE_S)
    flags = ["reconcile", "--repo", str(tmp_path), "--loop", "demo"]
    flags += ["--degraded-ingest-lag-seconds", "0", "--critical-ingest-lag-seconds", "0"]
    for further, status in ((), "critical"), (("--spare-finished",), "healthy"):
        assert main([*flags, *further]) == 0
        assert json.loads(capsys.readouterr().out)["health"]["status"] == status


def test_liveness_counts_only_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start(tmp_path, "--iterations", "1", "--seconds", "0", "--ending", "crashed") as process:
        process.wait(PATIENCE_S)
    flags = ["reconcile", "--repo", str(tmp_path), "--loop", "demo"]
    assert main(flags) == 0
    assert json.loads(capsys.readouterr().out)["health"]["status"] == "healthy"
    assert main([*flags, "--liveness"]) == 0
    health = json.loads(capsys.readouterr().out)["health"]
    assert (health["status"], health["reasonCodes"]) == ("critical", ["run_process_missing"])
    assert health["reasons"][0] == {
        "code": "run_process_missing",
        "severity": "critical",
        "metric": "runtime.liveness",
        "observed": "dead",
        "threshold": "alive",
    }

"""Carrying out a drill: what is recorded of one that ends early, and what an interrupted one leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.drill.evidence import Observed
from opsd.drill.run import DrillRun
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from tests.runtime.stopped import processes_in

#: Enough for every start and every end, in seconds.
_PATIENCE_S = 180.0
HELD = Observed("it holds", True, {"seen": 1})


def run(tmp_path: Path, *, keep: bool = False) -> DrillRun:
    return DrillRun(FileFleetStore(str(tmp_path / "repo")), tmp_path / "sandboxes", keep, "abc")


def recorded(drills: DrillRun) -> list[Any]:
    found: list[Any] = jsoncodec.loads(drills.store.read(FleetDocument.DRILLS) or b'{"drills": []}')["drills"]
    return found


def leaving(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "opsd.log").write_text("log")


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (OpsError("the daemon has ended by itself"), "the daemon has ended by itself"),
        (PermissionError(13, "Permission denied", "/x"), "cannot use /x: Permission denied"),
        (ZeroDivisionError("by zero"), "internal error: ZeroDivisionError: by zero"),
    ],
)
def test_a_drill_that_ends_early_fails_with_what_was_seen_so_far(tmp_path: Path, trouble: Exception, told: str) -> None:
    def body(folder: Path) -> Iterator[Observed]:
        leaving(folder)
        yield HELD
        raise trouble

    drills = run(tmp_path)
    assert not drills.carry_out("kill-switch", body).passed
    (entry,) = recorded(drills)
    assert (entry["status"], entry["error"], entry["observed"]) == ("fail", told, [HELD.document()])
    assert entry["sandbox"] == str(tmp_path / "sandboxes" / "kill-switch")
    assert (tmp_path / "sandboxes" / "kill-switch" / "opsd.log").exists()


@pytest.mark.parametrize("keep", [False, True])
def test_the_sandbox_of_a_drill_that_held_goes_unless_it_is_kept(tmp_path: Path, keep: bool) -> None:
    def body(folder: Path) -> Iterator[Observed]:
        leaving(folder)
        yield HELD

    drills = run(tmp_path, keep=keep)
    assert drills.carry_out("sprite-outage", body).passed
    assert (tmp_path / "sandboxes" / "sprite-outage").exists() == keep
    assert ("sandbox" in recorded(drills)[0]) == keep


def test_an_interrupted_drill_is_not_recorded(tmp_path: Path) -> None:
    def body(folder: Path) -> Iterator[Observed]:
        leaving(folder)
        yield HELD
        raise KeyboardInterrupt

    drills = run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        drills.carry_out("kill-switch", body)
    assert recorded(drills) == []
    assert not (tmp_path / "sandboxes" / "kill-switch").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_everything_that_a_drill_has_started(tmp_path: Path, number: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "opsd", "drill", "run", "all", "--repo", str(tmp_path)]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        _until(lambda: _a_daemon_started(temporary))
        assert processes_in(temporary)
        process.send_signal(number)
        process.communicate(timeout=_PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == (130 if number is signal.SIGINT else 143)
    _until(lambda: not processes_in(temporary))
    assert not list(temporary.iterdir())
    assert not (tmp_path / ".superloop/ops-manager/fleet/drills/promotion.v1.json").exists()


def _a_daemon_started(folder: Path) -> bool:
    try:
        return any(b"daemon.started" in log.read_bytes() for log in folder.rglob("opsd-1.log"))
    except FileNotFoundError:  # a folder went away meanwhile
        return False


def _until(condition: Any) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

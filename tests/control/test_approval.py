"""An approval over the simulated runtime: what an earlier run completed proves nothing of this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.control.local import LocalExecutor
from opsd.control.runner import Control
from opsd.control.verdict import ControlRequest
from tests.control.support import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A loop whose last run is complete, and an approval that waits all the same."""
    repo = Repo(tmp_path)
    repo.superloop.write_text(f'#!/bin/sh\nexec {sys.executable} -m opsd simulate "$@"\n')
    run = [sys.executable, "-m", "opsd", "simulate", "run", "--repo", str(tmp_path), "--loop", "demo"]
    subprocess.run([*run, "--iterations", "1", "--seconds", "0"], check=True, timeout=120)
    (repo.loop / "approval.json").write_text(json.dumps({"status": "pending", "run_id": "r", "iteration": 1}))
    return repo


def request(repo: Repo) -> ControlRequest:
    return repo.request("approve", timeout_s=0)


def test_the_completion_before_it_is_no_confirmation(repo: Repo) -> None:
    row, _ = Control(LocalExecutor(repo.env)).run(request(repo))
    assert row["status"] == "ambiguous"
    assert (row["confirm"]["observedApprovalStatus"], row["confirm"]["observedStatus"]) == ("approved", "complete")


def test_the_completion_that_follows_is_one(repo: Repo) -> None:
    consume = f'{sys.executable} -m opsd simulate run --repo "$3" --loop demo --iterations 1 --seconds 0'
    repo.superloop.write_text(repo.superloop.read_text().replace("exec ", "") + f"{consume}\n")
    row, _ = Control(LocalExecutor(repo.env)).run(request(repo))
    assert (row["status"], row["confirm"]["reason"]) == ("confirmed", "completion_observed")


def test_files_that_are_just_rewritten_are_waited_for(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    state = repo.root / ".superloop" / "state.json"
    content = state.read_bytes()
    state.write_bytes(b"")
    monkeypatch.setattr("opsd.control.local.clocks.sleep", lambda _seconds: state.write_bytes(content))
    row, _ = Control(LocalExecutor(repo.env)).run(request(repo))
    assert row["status"] == "ambiguous"

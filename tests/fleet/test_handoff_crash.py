"""``kill -9`` at every step of an autonomous run, over real files: nothing is dispatched twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.storage.audit_chain import verify
from tests.fleet.handoff_support import candidate, policy

ROOT = Path(__file__).parents[2]
#: Plan row; for each of two loops attempt, control, its effect, outcome; execute row; state.
STEPS = 1 + 2 * 4 + 2


def _run(repo: Path, step: int) -> int:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("dying_handoff.py"), repo, str(step)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    fleet = tmp_path / ".superloop/ops-manager/fleet"
    fleet.mkdir(parents=True)
    loops = {"schemaVersion": "v1", "fleetId": "yard", "loops": [{"loopId": "a"}, {"loopId": "b"}]}
    (fleet / "registry.v1.json").write_text(json.dumps(loops))
    (fleet / "policy-state.json").write_text(json.dumps(policy(candidate("a"), candidate("b"))))
    return tmp_path


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_run_killed_at_any_step_is_followed_by_no_second_dispatch(repo: Path, step: int) -> None:
    ended = _run(repo, step)
    assert ended == (0 if step == STEPS else -signal.SIGKILL)
    if step < STEPS:
        _run(repo, STEPS)
    calls = (repo / "calls").read_text().split() if (repo / "calls").exists() else []
    assert len(calls) == len(set(calls))
    state = json.loads((repo / ".superloop/ops-manager/fleet/handoff-state.json").read_text())
    guarded = {
        i["loopId"] for i in state["intents"] if "autonomous_retry_guard_ambiguous" in i["autonomous"]["reasons"]
    }
    executed = {i["loopId"] for i in state["intents"] if i["status"] == "executed"}
    assert guarded | executed == {"a", "b"}
    assert set(calls) >= executed
    record = verify(str(repo / ".superloop/ops-manager/fleet/handoff-attempts.jsonl"))
    assert record is None or record.ok

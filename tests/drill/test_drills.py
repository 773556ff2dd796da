"""The drills over real processes: they hold, the gates accept what they leave, and no sabotaged build passes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opsd.promotion.evidence import read_drills
from opsd.promotion.gates import drill_recency
from opsd.promotion.inputs import GateInputs
from opsd.storage.fleet_store import FileFleetStore
from tests.drill.sabotage import beginning_with, sabotaged
from tests.promotion import factories

EVIDENCE = ".superloop/ops-manager/fleet/drills/promotion.v1.json"


def drill(name: str, repo: Path, *flags: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opsd", "drill", "run", name, "--repo", str(repo), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=env)


def entries(repo: Path) -> dict[str, Any]:
    return {one["id"]: one for one in json.loads((repo / EVIDENCE).read_text())["drills"]}


def test_all_drills_hold_and_the_gates_accept_their_evidence(tmp_path: Path) -> None:
    repo = tmp_path / "a repo"
    repo.mkdir()
    done = drill("all", repo)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = json.loads(done.stdout)
    assert printed["drills"] == json.loads((repo / EVIDENCE).read_text())["drills"]
    assert list(entries(repo)) == ["kill_switch", "sprite_service_outage", "ambiguous_retry_guard"]
    assert {one["status"] for one in printed["drills"]} == {"pass"}
    last = max(one["completedAt"] for one in printed["drills"])
    assert json.loads((repo / EVIDENCE).read_text())["updatedAt"] == last
    verdict = drill_recency.GATE.judge(_inputs(repo))
    assert verdict.passed, verdict.reasons
    assert not list(tmp_path.glob("*/**/sprites"))


def _inputs(repo: Path) -> GateInputs:
    return factories.inputs(drills=read_drills(FileFleetStore(str(repo))), now=int(time.time()))


@pytest.mark.parametrize(
    ("name", "build", "broken"),
    [
        ("kill-switch", "policy ignores the kill switch", "the policy holds every candidate back"),
        ("kill-switch", "dispatch does not look at the brakes", "stops the next dispatch"),
        ("sprite-outage", "bad executions pause nothing", "the rollout pauses itself"),
        ("sprite-outage", "an unreachable loop is no trouble", "is told of"),
        ("ambiguous-retry-guard", "what ended ambiguous is not guarded", "leaves it alone in every later run"),
        ("ambiguous-retry-guard", "an answer counts as a success", "ends ambiguous"),
        ("ambiguous-retry-guard", "guards do not survive a restart", "after a crash of the manager"),
    ],
)
def test_a_build_without_the_guarded_behaviour_fails_its_drill(
    tmp_path: Path, name: str, build: str, broken: str
) -> None:
    done = drill(name, tmp_path, env=sabotaged(tmp_path / "sabotage", build))
    assert done.returncode == 1, done.stdout + done.stderr
    ((_, entry),) = entries(tmp_path).items()
    assert entry["status"] == "fail"
    assert any(broken in one["claim"] for one in entry["observed"] if not one["held"]), entry


def test_a_drill_that_cannot_be_carried_out_is_a_failure_with_a_reason(tmp_path: Path) -> None:
    program = "import sys\nif 'sprite_service' in sys.orig_argv: raise SystemExit(3)\n"
    done = drill("kill-switch", tmp_path, env={**os.environ, **beginning_with(tmp_path / "sabotage", program)})
    entry = entries(tmp_path)["kill_switch"]
    assert (done.returncode, entry["status"]) == (1, "fail")
    assert entry["error"] == "a sprite service ended at its start"


def test_nothing_of_the_host_reaches_the_sandbox(tmp_path: Path) -> None:
    trap, mark = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\n")
    trap.chmod(0o755)
    (tmp_path / "opsd.toml").write_text("[registry]\nfile = '/live/registry.json'\n")
    hooks = ("RECONCILE", "CONTROL", "CONFIRM", "FLEET_REGISTRY", "FLEET_STATUS", "SNAPSHOT", "POLL", "HEALTH")
    foreign = {f"OPS_MANAGER_{hook}_SCRIPT": str(trap) for hook in hooks}
    foreign |= {"OPSD_CONFIG": str(tmp_path / "opsd.toml"), "OPSD_REGISTRY__FILE": "/live/registry.json"}
    foreign |= {
        "NOTIFY_SOCKET": "/live/notify",
        "CREDENTIALS_DIRECTORY": "/live/credentials",
        "SUPERLOOP_BIN": str(trap),
    }
    done = drill("kill-switch", tmp_path, env={**os.environ, **foreign})
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mark.exists()


def test_nothing_is_carried_out_when_its_evidence_could_not_be_kept(tmp_path: Path) -> None:
    file = tmp_path / EVIDENCE
    file.parent.mkdir(parents=True)
    file.write_text("[]")
    done = drill("all", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: invalid drill state JSON: {file}; move it away to begin anew\n"
    assert file.read_text() == "[]"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["tidal-wave"], "a drill is required: one of kill-switch, sprite-outage, ambiguous-retry-guard, all"),
        ([], "a drill is required: one of kill-switch, sprite-outage, ambiguous-retry-guard, all"),
        (["all"], "--repo is required"),
        (["all", "--repo", ".", "--fleet", "all"], "--fleet must be one of sandbox, live"),
        (["all", "--repo", ".", "--fleet", "live", "--confirm"], "only kill-switch can be drilled on a live fleet"),
    ],
)
def test_what_is_refused(flags: list[str], message: str) -> None:
    command = [sys.executable, "-m", "opsd", "drill", "run", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {message}")

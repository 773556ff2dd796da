"""``opsd fleet reconcile`` over real loops, a real sprite service and real programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.fleet.reconcile_page import fleet_page
from opsd.fleet import publish
from opsd.storage.fleet_store import FileFleetStore
from tests.cli.support import Shell, printed
from tests.contract_vectors.world import Service
from tests.runtime.stopped import await_end

TOKEN = "s3cret-of-the-fleet"
FLEET = ".superloop/ops-manager/fleet"


def stamp(age_s: float = 0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age_s))


def write_registry(repo: Path, *loops: dict[str, Any]) -> None:
    (repo / FLEET).mkdir(parents=True, exist_ok=True)
    document = {"schemaVersion": "v1", "fleetId": "f", "loops": list(loops)}
    (repo / FLEET / "registry.v1.json").write_text(json.dumps(document))


def write_loop(repo: Path, loop_id: str, heartbeat_age_s: float = 0) -> None:
    folder = repo / ".superloop/loops" / loop_id
    folder.mkdir(parents=True)
    rows = [{"timestamp": stamp(), "event": name, "run_id": "r", "data": {}} for name in ("loop_start", "role_end")]
    (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    beat = {"schemaVersion": "v1", "timestamp": stamp(heartbeat_age_s), "source": "runtime", "status": "running"}
    (folder / "heartbeat.v1.json").write_text(json.dumps(beat))


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Starts sprite services over repos; their addresses."""
    running: list[Service] = []

    def start(repo: Path) -> str:
        running.append(Service(repo, TOKEN, dict(os.environ), tmp_path / f"service-{len(running)}.log"))
        return running[-1].url

    yield start
    for one in running:
        one.close()


def test_local_and_remote_loops_come_out_the_same(
    opsd: Shell, tmp_path: Path, service: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    local, remote = tmp_path / "local", tmp_path / "remote"
    for loop_id, age_s in (("well", 0), ("late", 180), ("gone", 900)):
        write_loop(local, loop_id, age_s)
    state = {"active": True, "loop_index": 0, "iteration": 1, "current_loop_id": "well", "updated_at": stamp()}
    (local / ".superloop/state.json").write_text(json.dumps(state))
    shutil.copytree(local, remote / "vm")
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    names = ("well", "late", "gone", "ghost")
    write_registry(local, *({"loopId": name} for name in names))
    reach = {"baseUrl": service(remote / "vm"), "tokenEnv": "FLEET_TOKEN", "retryAttempts": 1}
    write_registry(remote, *({"loopId": name, "transport": "sprite_service", "service": reach} for name in names))
    states = [opsd("fleet", "reconcile", "--repo", repo, "--max-parallel", 3) for repo in (local, remote)]
    assert [(one.exit, one.err) for one in states] == [(0, ""), (0, "")]
    one, other = (result.json for result in states)
    whole = ("status", "reasonCodes", "loopCount", "successCount", "failedCount", "skippedCount")
    each = ("loopId", "status", "reasonCode", "reconcileStatus", "healthStatus", "healthReasonCodes")
    assert [one[key] for key in whole] == [other[key] for key in whole]
    seen = [[[result.get(key) for key in each] for result in state["results"]] for state in (one, other)]
    assert seen[0] == seen[1] == [
        ["well", "success", None, "success", "healthy", []],
        ["late", "success", None, "success", "degraded", ["runtime_heartbeat_stale"]],
        ["gone", "success", None, "success", "critical", ["runtime_heartbeat_stale"]],
        ["ghost", "failed", "transport_unreachable", "failed", "degraded", ["transport_unreachable"]],
    ]  # fmt: skip
    assert TOKEN not in json.dumps(other)


def test_a_thousand_loops_without_artifacts_are_a_thousand_results(opsd: Shell, tmp_path: Path) -> None:
    write_registry(tmp_path, *({"loopId": f"l{number}"} for number in range(1000)))
    result = opsd("fleet", "reconcile", "--repo", tmp_path, "--max-parallel", 4)
    assert (result.exit, result.err, result.json["status"]) == (0, "", "failed")
    assert len(result.out) > 1_000_000
    assert [one["loopId"] for one in result.json["results"]] == [f"l{number}" for number in range(1000)]
    assert {one["reasonCode"] for one in result.json["results"]} == {"transport_unreachable"}
    assert json.loads((tmp_path / FLEET / "state.json").read_text()) == result.json


def test_the_loops_own_settings_come_from_the_environment(
    opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_loop(tmp_path, "a", heartbeat_age_s=60)
    write_registry(tmp_path, {"loopId": "a"})
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILE", "strict")
    opsd("fleet", "reconcile", "--repo", tmp_path)
    health = json.loads((tmp_path / ".superloop/ops-manager/a/health.json").read_text())
    assert health["thresholds"]["profile"] == "strict"
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILE", "lax")
    (result,) = opsd("fleet", "reconcile", "--repo", tmp_path).json["results"]
    assert (result["status"], result["reasonCode"]) == ("failed", "reconcile_failed")
    assert "lax" in result["outputExcerpt"]


@pytest.mark.parametrize(
    ("service_part", "field"),
    [({"retryAttempts": 1.5}, "retryAttempts"), ({"retryBackoffSeconds": 0.5}, "retryBackoff")],
)
def test_a_fraction_where_the_loop_needs_a_whole_number_is_named(
    opsd: Shell, tmp_path: Path, service_part: dict[str, Any], field: str
) -> None:
    reach = {"baseUrl": "http://127.0.0.1:1", **service_part}
    write_registry(tmp_path, {"loopId": "a", "transport": "sprite_service", "service": reach})
    (result,) = opsd("fleet", "reconcile", "--repo", tmp_path).json["results"]
    assert (result["status"], result["reasonCode"]) == ("failed", "reconcile_failed")
    assert f"service.{field}" in result["outputExcerpt"]


def test_a_token_in_what_a_program_says_is_hidden(opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    monkeypatch.setenv("OPS_MANAGER_RECONCILE_SCRIPT", program(tmp_path / "fake", 'echo "got $*" >&2; exit 1'))
    reach = {"baseUrl": "http://x", "tokenEnv": "FLEET_TOKEN"}
    write_registry(tmp_path, {"loopId": "a", "transport": "sprite_service", "service": reach})
    result = opsd("fleet", "reconcile", "--repo", tmp_path)
    assert "--service-token [redacted] " in result.json["results"][0]["outputExcerpt"]
    assert TOKEN.encode() not in result.out


def test_a_warning_on_stderr_does_not_hide_the_document(
    opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """echo '{"health":{"status":"healthy"}}'; echo 'careful' >&2"""
    monkeypatch.setenv("OPS_MANAGER_RECONCILE_SCRIPT", program(tmp_path / "fake", body))
    write_registry(tmp_path, {"loopId": "a"})
    result = opsd("fleet", "reconcile", "--repo", tmp_path)
    assert (result.json["results"][0]["healthStatus"], result.err) == ("healthy", "")


@pytest.mark.parametrize(
    ("script", "says"), [("sleep 60", "was stopped after 1 s"), (None, "cannot run"), ("kill -KILL $$", "")]
)
def test_a_program_that_hangs_is_missing_or_dies_is_a_failed_loop(
    opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, says: str
) -> None:
    name = program(tmp_path / "fake", script) if script else str(tmp_path / "none")
    monkeypatch.setenv("OPS_MANAGER_RECONCILE_SCRIPT", name)
    write_registry(tmp_path, {"loopId": "a"})
    (result,) = opsd("fleet", "reconcile", "--repo", tmp_path, "--loop-timeout-seconds", 1).json["results"]
    assert (result["status"], result["reasonCode"], result["healthStatus"]) == ("failed", "reconcile_failed", "unknown")
    assert says in result["outputExcerpt"]


def test_two_runs_over_one_fleet_never_interleave(opsd: Shell, tmp_path: Path) -> None:
    write_registry(tmp_path, {"loopId": "a"})
    with FileFleetStore(str(tmp_path)).lock(wait_s=0):
        result = opsd("fleet", "reconcile", "--repo", tmp_path, "--lock-wait-seconds", 0)
    assert (result.exit, result.out) == (1, b"")
    assert result.err.startswith("error: another process works on this fleet")
    assert not (tmp_path / FLEET / "state.json").exists()
    assert opsd("fleet", "reconcile", "--repo", tmp_path, "--lock-wait-seconds", 0).exit == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_ends_what_it_started_and_leaves_the_former_state(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    fake = program(tmp_path / "fake", f"sleep 300 & echo $! > {pids}/$4.new; mv {pids}/$4.new {pids}/$4; wait")
    write_registry(tmp_path, *({"loopId": name} for name in "abc"))
    (tmp_path / FLEET / "state.json").write_text('{"old": true}')
    argv = [sys.executable, "-m", "opsd", "fleet", "reconcile", "--repo", str(tmp_path)]
    process = subprocess.Popen(
        argv, env={**os.environ, "OPS_MANAGER_RECONCILE_SCRIPT": fake}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while {path.name for path in pids.iterdir()} != {"a", "b"}:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (code, b"", b"")
    for path in pids.iterdir():
        await_end(int(path.read_text()))
    assert (tmp_path / FLEET / "state.json").read_text() == '{"old": true}'
    assert not (tmp_path / FLEET / "telemetry/reconcile.jsonl").exists()


def test_telemetry_is_put_aside_when_it_has_grown(opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_ROTATE_TELEMETRY_OVER_BYTES", 1)
    write_registry(tmp_path, {"loopId": "a"})
    for trace in ("first", "second"):
        opsd("fleet", "reconcile", "--repo", tmp_path, "--trace-id", trace)
    log = tmp_path / FLEET / "telemetry/reconcile.jsonl"
    kept = [json.loads(path.read_text())["traceId"] for path in (log, log.with_name("reconcile.jsonl.1"))]
    assert kept == ["second", "first"]


def test_on_a_terminal_trouble_comes_first_and_nothing_is_obeyed(opsd: Shell, tmp_path: Path) -> None:
    write_loop(tmp_path, "well")
    write_registry(tmp_path, {"loopId": "well"}, {"loopId": "[red]ghost"}, {"loopId": "off", "enabled": False})
    state = opsd("fleet", "reconcile", "--repo", tmp_path, "--trace-id", "t\x1b[31m").json
    text = printed(fleet_page(state))
    assert "\x1b" not in text
    assert "partial_failure" in text
    assert text.index("[red]ghost") < text.index("well ") < text.index("off ")
    assert "transport_unreachable" in text

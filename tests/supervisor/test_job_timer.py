"""A job runs when there is something to do, shows what it said, and its failures and deadlines are seen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsd.runtime.process import Answer
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.jobs.job import Job, JobName
from opsd.supervisor.jobs.metrics import JobMetrics
from opsd.supervisor.jobs.timer import JobTimer
from opsd.supervisor.tasks.heartbeat import Heartbeat

NOW = 1_795_680_000.0  # 2026-11-26T08:00:00Z
DECISION = {
    "thresholds": {"maxDrillAgeHours": 168},
    "summary": {"decision": "hold", "reasonCodes": ["promotion_drill_missing_kill_switch"]},
    "gates": {
        "governance": {"outcome": "pass"},
        "outcomeReliability": {"outcome": "pass"},
        "manualBacklog": {"outcome": "fail"},
        "safetySuppression": {"outcome": "pass"},
        "drillRecency": {
            "outcome": "no_evidence",
            "drills": [
                7,
                {"id": "sprite_service_outage", "status": "pass", "completedAt": "2026-11-24T20:00:00Z"},
                {"id": "sprite_service_outage", "status": "fail", "completedAt": "2026-11-25T20:00:00Z"},
                {"id": "ambiguous_retry_guard", "status": "fail", "completedAt": "never"},
            ],
        },
    },
}


def document(value: Any, code: int = 0) -> Callable[[list[str], float], Answer]:
    return lambda _argv, _deadline: Answer(code, json.dumps(value).encode(), b"", b"")


def timer(
    tmp_path: Path, run: Any, *, name: JobName = JobName.GATES, needs: tuple[FleetDocument, ...] = (), **job: Any
) -> tuple[JobTimer, JobMetrics]:
    metrics = JobMetrics(lambda: NOW)
    wanted = Job(("x",), 0.0, job.pop("deadline_s", 60.0), needs, **job)
    store = FileFleetStore(str(tmp_path))
    return JobTimer(name, wanted, store, metrics, os.environ, run=run, first_s=0.0), metrics


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def run_until(found: JobTimer, condition: Callable[[], bool]) -> None:
    task = asyncio.create_task(found.run(Heartbeat(None, lambda: 0.0)))
    try:
        await until(condition)
    finally:
        task.cancel()
        found.close()


async def test_the_decision_its_gates_and_its_drills_become_metrics(tmp_path: Path) -> None:
    found, metrics = timer(tmp_path, document(DECISION))
    await run_until(found, lambda: b'result="success"} 1\n' in metrics.render() or b"decision" in metrics.render())
    shown = metrics.render().decode()
    for line in (
        'opsd_promotion_decision{decision="hold"} 1',
        'opsd_promotion_decision{decision="promote"} 0',
        'opsd_promotion_gate{gate="governance",outcome="pass"} 1',
        'opsd_promotion_gate{gate="manual_backlog",outcome="fail"} 1',
        'opsd_promotion_gate{gate="drill_recency",outcome="no_evidence"} 1',
        'opsd_promotion_gate{gate="drill_recency",outcome="pass"} 0',
        'opsd_promotion_reason{reason="promotion_drill_missing_kill_switch"} 1',
        'opsd_promotion_drill_passed{drill="kill_switch"} 0',
        'opsd_promotion_drill_passed{drill="sprite_service_outage"} 1',
        'opsd_promotion_drill_age_days{drill="sprite_service_outage"} 1.5',
        "opsd_promotion_drill_max_age_days 7",
    ):
        assert f"{line}\n" in shown
    assert 'opsd_promotion_drill_age_days{drill="ambiguous_retry_guard"}' not in shown


async def test_without_a_fleet_there_is_nothing_to_do(tmp_path: Path) -> None:
    calls: list[int] = []

    def run(_argv: list[str], _deadline: float) -> Answer:
        calls.append(1)
        return Answer(0, b"{}", b"")

    found, _metrics = timer(tmp_path, run, needs=(FleetDocument.REGISTRY,))
    task = asyncio.create_task(found.run(Heartbeat(None, lambda: 0.0)))
    await asyncio.sleep(0.05)
    assert not calls
    store = FileFleetStore(str(tmp_path))
    store.prepare(FleetDocument.REGISTRY)
    store.replace(FleetDocument.REGISTRY, {})
    await until(lambda: bool(calls))
    task.cancel()
    found.close()


@pytest.mark.parametrize("bad", [Answer(1, b"", b"error: no\n"), Answer(0, b"", b""), Answer(0, b"[]", b"")])
async def test_a_run_that_fails_is_counted_and_shows_nothing(tmp_path: Path, bad: Answer) -> None:
    found, metrics = timer(tmp_path, lambda _argv, _deadline: bad)
    await run_until(found, lambda: b'{name="promotion-gates",result="failure"} 0' not in metrics.render())
    assert b"opsd_promotion_decision" not in metrics.render()
    assert b"opsd_job_last_success" not in metrics.render()


async def test_a_process_beyond_its_deadline_is_ended(tmp_path: Path) -> None:
    metrics = JobMetrics(lambda: NOW)
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(1000)\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    job = Job(("version",), 0.0, 0.1)
    found = JobTimer(JobName.GATES, job, FileFleetStore(str(tmp_path)), metrics, env, first_s=0.0)
    await run_until(found, lambda: b'{name="promotion-gates",result="failure"} 0' not in metrics.render())


async def test_a_failed_controller_pass_is_shown_and_a_rejected_file_is_no_failure(tmp_path: Path) -> None:
    failed = {"status": "failed", "decision": {"reasonCodes": ["controller_apply_command_failed"]}}
    found, metrics = timer(tmp_path, document(failed, 7), name=JobName.CONTROLLER)
    await run_until(found, lambda: b'_reason{reason="controller_apply_command_failed"} 1' in metrics.render())
    assert b'opsd_promotion_controller_passes_total{status="failed"} 0' not in metrics.render()
    counts = {"pendingConfirmationCount": 3, "queuedEnvelopeCount": 2, "rejectedFileCount": 1}
    found, metrics = timer(
        tmp_path, document({"summary": counts}, 2), name=JobName.BRIDGE, good_exits=frozenset({0, 2})
    )
    await run_until(found, lambda: b"opsd_horizon_pending_intents 3" in metrics.render())
    assert b'opsd_job_runs_total{name="horizon-bridge",result="failure"} 0' in metrics.render()


async def test_the_end_of_the_daemon_waits_for_a_run_and_begins_no_other(tmp_path: Path) -> None:
    begun, release = threading.Event(), threading.Event()
    calls: list[int] = []

    def run(_argv: list[str], _deadline: float) -> Answer:
        calls.append(1)
        begun.set()
        release.wait(60)
        return Answer(0, b"{}", b"")

    found, _metrics = timer(tmp_path, run)
    task = asyncio.create_task(found.run(Heartbeat(None, lambda: 0.0)))
    await until(begun.is_set)
    draining = asyncio.create_task(found.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    release.set()
    await draining
    await asyncio.sleep(0.02)
    assert calls == [1]
    task.cancel()
    found.close()


async def test_what_is_switched_off_is_no_longer_shown(tmp_path: Path) -> None:
    found, metrics = timer(tmp_path, document(DECISION))
    task = asyncio.create_task(found.run(Heartbeat(None, lambda: 0.0)))
    await until(lambda: b"opsd_promotion_decision" in metrics.render())
    found.use(None)
    await until(lambda: b"opsd_promotion_gate" not in metrics.render())
    task.cancel()
    found.close()


async def test_what_cannot_be_looked_for_fails_the_run_and_not_the_task(tmp_path: Path) -> None:
    found, metrics = timer(tmp_path, document({}), needs=(FleetDocument.REGISTRY,))
    registry = Path(FileFleetStore(str(tmp_path)).location(FleetDocument.REGISTRY))
    registry.parent.mkdir(parents=True)
    registry.symlink_to(registry.name)
    await run_until(found, lambda: re.search(rb"result=\"failure\"} [1-9]", metrics.render()) is not None)

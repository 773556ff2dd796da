"""A late step is told and halts dispatch; the end of the daemon does; a run that raises is seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from opsd.supervisor.fleet.cycle import CycleRun, Step
from opsd.supervisor.fleet.metrics import FleetMetrics
from opsd.supervisor.fleet.timer import FleetTimer, TimerSettings
from opsd.supervisor.tasks.heartbeat import Heartbeat


class Cycle:
    """Stands in for the steps."""

    def __init__(self, work: Callable[[CycleRun], None]) -> None:
        self.work = work
        self.runs: list[CycleRun] = []

    def run(self, run: CycleRun) -> None:
        self.runs.append(run)
        self.work(run)


def _timer(cycle: Any, deadline_s: float = 60.0) -> tuple[FleetTimer, FleetMetrics]:
    metrics = FleetMetrics()
    return FleetTimer(cycle, TimerSettings(0.0, deadline_s, deadline_s), metrics), metrics


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_late_step_is_counted_and_starts_no_further_dispatch() -> None:
    release = threading.Event()
    cycle = Cycle(lambda _run: release.wait(60) and None)
    timer, metrics = _timer(cycle, deadline_s=0.0)
    task = asyncio.create_task(timer.run(Heartbeat(None, lambda: 0.0)))
    await _until(lambda: bool(cycle.runs and cycle.runs[0].halt))
    assert cycle.runs[0].halt == "autonomous_deadline_passed"
    assert b'opsd_fleet_step_failures_total{step="refresh"} 1\n' in metrics.render()
    release.set()
    await _until(lambda: len(cycle.runs) > 1)  # the next run begins when the thread is back
    task.cancel()
    timer.close()


async def test_the_end_of_the_daemon_halts_a_run_and_waits_for_it() -> None:
    ended = threading.Event()

    def work(run: CycleRun) -> None:
        while not run.halt:
            ended.wait(0.001)
        ended.set()

    cycle = Cycle(work)
    timer, _metrics = _timer(cycle)
    task = asyncio.create_task(timer.run(Heartbeat(None, lambda: 0.0)))
    await _until(lambda: bool(cycle.runs))
    await timer.drain()
    assert (cycle.runs[0].halt, ended.is_set()) == ("autonomous_manager_stopping", True)
    task.cancel()
    timer.close()


async def test_a_step_that_outlives_the_daemon_is_told() -> None:
    release = threading.Event()
    cycle = Cycle(lambda _run: release.wait(60) and None)
    timer, _metrics = _timer(cycle)
    task = asyncio.create_task(timer.run(Heartbeat(None, lambda: 0.0)))
    await _until(lambda: bool(cycle.runs))
    task.cancel()
    with structlog.testing.capture_logs() as told:
        timer.close()
    release.set()
    assert [(row["event"], row["step"]) for row in told] == [("fleet_run.not_ended", "refresh")]


async def test_a_run_that_raises_ends_the_task_which_its_supervisor_sees() -> None:
    def work(run: CycleRun) -> None:
        run.step = Step.POLICY
        raise ZeroDivisionError

    timer, metrics = _timer(Cycle(work))
    with pytest.raises(ZeroDivisionError):
        await timer.run(Heartbeat(None, lambda: 0.0))
    assert b'opsd_fleet_step_failures_total{step="policy"} 1\n' in metrics.render()
    timer.close()


async def test_without_a_cycle_nothing_runs() -> None:
    timer, metrics = _timer(None)
    task = asyncio.create_task(timer.run(Heartbeat(None, lambda: 0.0)))
    await asyncio.sleep(0)
    timer.use(None, TimerSettings(0.0, 1.0, 1.0))
    await timer.drain()
    task.cancel()
    timer.close()
    assert b'opsd_fleet_runs_total{result="success"} 0\n' in metrics.render()

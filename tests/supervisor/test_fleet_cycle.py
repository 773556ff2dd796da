"""Loops are waited for without the fleet's lock; everything that is written happens under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import LockTimeoutError, OpsError
from opsd.fleet.handoff.dispatch import Order
from opsd.fleet.handoff.words import ExecutionMode
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.fleet.cycle import CycleRun, CycleSettings, FleetCycle, Step
from tests.daemon.support import write_registry


def _cycle(repo: Path, **more: Any) -> FleetCycle:
    write_registry(repo, {"loopId": "alpha"})

    def observe(_registry: Any, _run: CycleRun) -> Any:
        with pytest.raises(LockTimeoutError), FileFleetStore(str(repo)).lock(wait_s=0):
            pass
        raise OpsError("that is enough")

    settings = CycleSettings(Order(ExecutionMode.AUTONOMOUS, "duty"))
    no_control: Any = None
    return FleetCycle(FileFleetStore(str(repo)), settings, observe, no_control, lambda _loop: False, **more)


def test_a_loop_that_hangs_keeps_nobody_from_the_fleet(tmp_path: Path) -> None:
    waited: list[str] = []

    def refresh(registry: Any, run: CycleRun) -> None:
        with FileFleetStore(str(tmp_path)).lock(wait_s=0):
            waited.extend(one["loopId"] for one in registry["loops"])
        assert run.step is Step.REFRESH

    run = CycleRun()
    _cycle(tmp_path, refresh=refresh).run(run)
    assert waited == ["alpha"]
    assert run.failure == (Step.RECONCILE, "that is enough")


def test_the_end_of_the_daemon_ends_the_waiting(tmp_path: Path) -> None:
    def refresh(_registry: Any, _run: CycleRun) -> None:
        raise OpsError("the daemon ends")

    run = CycleRun()
    _cycle(tmp_path, refresh=refresh).run(run)
    assert run.failure == (Step.REFRESH, "the daemon ends")


def test_a_registry_that_cannot_be_looked_for_fails_the_run_and_not_its_task(tmp_path: Path) -> None:
    cycle = _cycle(tmp_path)
    registry = tmp_path / ".superloop/ops-manager/fleet/registry.v1.json"
    registry.unlink()
    registry.symlink_to(registry.name)
    run = CycleRun()
    cycle.run(run)
    assert run.failure == (Step.REFRESH, "Too many levels of symbolic links")

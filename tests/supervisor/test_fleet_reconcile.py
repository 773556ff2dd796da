"""A pass over the fleet tells of a requested pass only where that has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import OpsError
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.fleet.cycle import CycleRun
from opsd.supervisor.fleet.reconcile import reconcile_fleet
from tests.daemon.support import write_registry


async def test_a_pass_that_has_not_ended_is_not_told_as_this_runs(tmp_path: Path) -> None:
    write_registry(tmp_path, {"loopId": "quick"}, {"loopId": "slow"}, {"loopId": "stuck"})
    runs: list[CycleRun] = []

    def rollup(_registry: Any, run: CycleRun) -> Any:
        runs.append(run)
        raise OpsError("that is enough")

    def order_pass(loop: str) -> Any:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if loop == "quick":
            ended.set_result(None)
        return None if loop == "stuck" else ended

    maker: Any = rollup
    with pytest.raises(OpsError, match="that is enough"):
        await reconcile_fleet(FileFleetStore(str(tmp_path)), maker, order_pass, "t1", pass_wait_s=0, lock_wait_s=1)
    assert (runs[0].trace_id, runs[0].requested) == ("t1", {"quick"})

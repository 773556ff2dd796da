"""``kill -9`` at every step of a guarded pass: no mutation without a record, no lost rollback, no budget overrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.storage.fleet_parts import FleetLog
from tests.promotion.controller_support import World
from tests.promotion.rollout_factories import NOW, Fleet

ROOT = Path(__file__).parents[2]
#: More than any pass has; a pass that gets there came to its end.
MOST = 30
ROWS = "promotion-controller"


def _run(fleet: Fleet, verdict: str, step: int) -> bool:
    """Whether the pass came to its end."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("dying_controller.py"), fleet.root, verdict, str(step)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(("verdict", "outcome"), [("promote", (65, False)), ("hold", (65, True))])
def test_a_pass_killed_at_any_step_is_completed_by_the_next_one(
    tmp_path: Path, verdict: str, outcome: tuple[int, bool]
) -> None:
    for step in range(MOST):
        fleet = Fleet(tmp_path / str(step), decision=None)
        if _run(fleet, verdict, step):
            break
        changed = fleet.rollout != (40, False)
        # The evidence of the next pass says what the first one's verification would have said.
        World(fleet.store, verdict, now=NOW + 120).run()
        applies = [row for row in fleet.rows() if row["intent"] == "expand"]
        rows = fleet.rows(ROWS)
        where = f"killed at step {step}"
        assert len(applies) == (1 if fleet.rollout[0] == 65 else 0), where
        if changed:
            assert fleet.rollout == outcome, where
        else:
            # Nothing was applied. It is done now, unless the dead pass has used the budget or the evidence has changed.
            assert fleet.rollout in ((40, False), outcome), where
        executed = [row for row in rows if row["execution"]["applyExecuted"]]
        assert len(executed) == len(applies), where
        assert len({row["runId"] for row in rows}) == len(rows), where
        assert not fleet.store.journal(FleetLog.PROMOTION_CONTROLLER).open_runs(), where
        assert not fleet.store.journal(FleetLog.PROMOTION_APPLY).open_runs() or not applies, where
    assert 10 < step < MOST - 1

"""``kill -9`` at every step of an apply: the retry under the same key neither expands twice nor loses a record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.promotion.rollout.settle import Settled, settle
from opsd.promotion.rollout.words import Intent
from opsd.storage.fleet_parts import FleetLog
from tests.promotion.rollout_factories import Fleet, apply_request, registry

ROOT = Path(__file__).parents[2]
#: Journal, registry, telemetry, state, journal.
STEPS = 5
#: From this step on the registry has been changed.
CHANGED = 2


def _die(fleet: Fleet, intent: Intent, step: int) -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("dying_apply.py"), fleet.root, intent, str(step)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if step < STEPS else 0), done.stderr


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_an_expand_killed_at_any_step_is_done_once_and_recorded_once(tmp_path: Path, step: int) -> None:
    fleet = Fleet(tmp_path)
    _die(fleet, Intent.EXPAND, step)
    assert fleet.rollout == ((65 if step >= CHANGED else 40), False)
    record = fleet.apply(apply_request(key="k"))
    assert record.get("replayed", False) is (step >= CHANGED)
    assert fleet.rollout == (65, False)
    assert [row["idempotencyKey"] for row in fleet.rows()] == ["k"]
    assert not fleet.store.journal(FleetLog.PROMOTION_APPLY).open_runs()


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_rollback_killed_at_any_step_is_not_lost(tmp_path: Path, step: int) -> None:
    fleet = Fleet(tmp_path)
    _die(fleet, Intent.ROLLBACK, step)
    fleet.apply(apply_request(Intent.ROLLBACK, key="k"))
    assert fleet.rollout == (40, True)
    assert len(fleet.rows()) == 1


def test_a_dead_apply_is_recorded_by_the_next_one_whatever_that_is(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    _die(fleet, Intent.EXPAND, CHANGED)
    fleet.apply(apply_request(Intent.ROLLBACK))
    recorded = [(row["intent"], row.get("recovered")) for row in fleet.rows()]
    assert recorded == [("expand", "applied"), ("rollback", None)]


def test_after_an_edit_by_hand_a_dead_expand_counts_and_a_dead_rollback_is_done_again(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    _die(fleet, Intent.EXPAND, CHANGED)
    fleet.write(registry(66))
    assert fleet.apply(apply_request(key="k"))["recovered"] == "unproven"
    assert fleet.rollout == (66, False)

    other = Fleet(tmp_path / "other")
    _die(other, Intent.ROLLBACK, CHANGED)
    other.write(registry(66))
    other.apply(apply_request(Intent.ROLLBACK, key="k"))
    assert other.rollout == (66, True)


@pytest.mark.parametrize("intent", Intent)
def test_the_verdict_on_a_dead_apply(intent: Intent) -> None:
    unproven = Settled.NOT_APPLIED if intent is Intent.ROLLBACK else Settled.UNPROVEN
    assert [settle(intent, "a", "b", now) for now in "bac"] == [Settled.APPLIED, Settled.NOT_APPLIED, unproven]

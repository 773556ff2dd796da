"""How loops are followed, and which loops there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.contract.errors import UsageError
from opsd.contract.timestamps import parse_epoch
from opsd.fleet.registry import ObserveMode
from opsd.supervisor.loops.observation import Follow, ObservationPeriods, plan_observation
from opsd.supervisor.loops.registry_source import RegistrySource
from tests.fleet.factories import FUTURE, NOW, PAST, guarded

PERIODS = ObservationPeriods(active_poll_s=2, resync_s=30, idle_resync_s=900)
FINISHED = ["complete", "stopped", "failed", "idle", "awaiting_approval"]


def plan(mode: ObserveMode, state: str | None, *, streamable: bool = True, local: bool = False) -> tuple[str, float]:
    found = plan_observation(mode, state=state, streamable=streamable, free_to_watch=local, periods=PERIODS)
    return found.follow.value, found.resync_s


@pytest.mark.parametrize("state", FINISHED)
def test_auto_leaves_a_finished_or_waiting_sprite_asleep(state: str) -> None:
    assert plan(ObserveMode.AUTO, state) == (Follow.IDLE, 900)


def test_a_loop_that_has_just_ended_is_followed_on_for_a_moment() -> None:
    ended = plan_observation(
        ObserveMode.AUTO, state="complete", streamable=True, free_to_watch=False, periods=PERIODS, lingering=True
    )
    assert (ended.follow, ended.resync_s) == (Follow.STREAM, 5)
    polled = plan_observation(
        ObserveMode.POLL, state="complete", streamable=True, free_to_watch=False, periods=PERIODS, lingering=True
    )
    assert (polled.follow, polled.resync_s) == (Follow.POLL, 5)


def test_auto_streams_while_the_run_is_active() -> None:
    assert plan(ObserveMode.AUTO, "running") == (Follow.STREAM, 30)
    assert plan(ObserveMode.AUTO, "running", streamable=False) == (Follow.POLL, 2)


@pytest.mark.parametrize("state", [None, "unknown"])
def test_auto_holds_no_stream_before_it_knows_the_run_is_active(state: str | None) -> None:
    assert plan(ObserveMode.AUTO, state) == (Follow.POLL, 30)


@pytest.mark.parametrize("state", ["running", *FINISHED])
def test_stream_holds_a_stream_whatever_the_state(state: str) -> None:
    assert plan(ObserveMode.STREAM, state) == (Follow.STREAM, 30)
    assert plan(ObserveMode.STREAM, state, streamable=False) == (Follow.POLL, 2)


def test_poll_never_holds_a_stream() -> None:
    assert plan(ObserveMode.POLL, "running") == (Follow.POLL, 2)
    assert plan(ObserveMode.POLL, "complete") == (Follow.IDLE, 900)


@pytest.mark.parametrize("mode", ObserveMode)
def test_files_on_this_host_are_always_watched(mode: ObserveMode) -> None:
    assert plan(mode, "complete", local=True) == (Follow.STREAM, 30)


def write_registry(path: Path, *loops: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": "v1", "loops": loops}))


def test_without_a_registry_every_local_loop_is_supervised(tmp_path: Path) -> None:
    source = RegistrySource(str(tmp_path), None, max_loops=10)
    assert source.read().entries == ()
    for name in ("b", "a", "fleet"):
        (tmp_path / ".superloop" / "loops" / name).mkdir(parents=True)
    view = source.read()
    assert [entry.loop_id for entry in view.entries] == ["a", "b"]
    assert view.changed
    assert not view.orphaned
    assert not source.read().changed


def test_a_fleet_that_was_reconciled_here_misses_its_registry(tmp_path: Path) -> None:
    fleet = tmp_path / ".superloop/ops-manager/fleet"
    fleet.mkdir(parents=True)
    (fleet / "state.json").write_text("{}")
    assert RegistrySource(str(tmp_path), None, max_loops=10).read().orphaned
    write_registry(fleet / "registry.v1.json", {"loopId": "a"})
    assert not RegistrySource(str(tmp_path), None, max_loops=10).read().orphaned


def test_a_registry_is_read_again_when_it_changed_and_disabled_loops_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
    write_registry(file, {"loopId": "a"}, {"loopId": "b", "enabled": False})
    source = RegistrySource(str(tmp_path), None, max_loops=10)
    assert [entry.loop_id for entry in source.read().entries] == ["a"]
    assert not source.read().changed
    write_registry(file, {"loopId": "a"}, {"loopId": "b"})
    assert [entry.loop_id for entry in source.read().entries] == ["a", "b"]
    file.write_text("{")
    with pytest.raises(UsageError, match="invalid fleet registry JSON"):
        source.read()


def test_more_loops_than_the_limit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    write_registry(file, {"loopId": "a"}, {"loopId": "b"})
    with pytest.raises(UsageError, match=r"names 2 loops; limits\.max_loops is 1"):
        RegistrySource(str(tmp_path), str(file), max_loops=1).read()


def test_a_named_registry_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fleet registry file not found"):
        RegistrySource(str(tmp_path), str(tmp_path / "none.json"), max_loops=1).read()


def test_a_passed_review_deadline_ends_no_observation_and_is_told_without_reading_again(tmp_path: Path) -> None:
    file, now = tmp_path / "r.json", [float(NOW)]
    file.write_text(json.dumps(guarded({"loopId": "a"}, reviewBy=FUTURE)))
    source = RegistrySource(str(tmp_path), str(file), max_loops=10, clock=lambda: now[0])
    assert [entry.loop_id for entry in source.read().entries] == ["a"]
    assert not source.review_expired()
    now[0] = parse_epoch(FUTURE) or 0.0
    assert source.review_expired()
    assert not source.read().changed
    file.write_text(json.dumps(guarded({"loopId": "a"}, {"loopId": "b"}, reviewBy=FUTURE)))
    assert [entry.loop_id for entry in source.read().entries] == ["a", "b"]
    file.write_text("{")
    with pytest.raises(UsageError, match="invalid fleet registry JSON"):
        source.read()
    assert source.review_expired()


def test_at_the_start_too_a_registry_with_a_passed_deadline_is_observed(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps(guarded({"loopId": "a"}, changedAt="2020-01-01T00:00:00Z", reviewBy=PAST)))
    source = RegistrySource(str(tmp_path), str(file), max_loops=10, clock=lambda: NOW)
    view = source.read()
    assert [entry.loop_id for entry in view.entries] == ["a"]
    assert view.registry is not None
    assert view.registry.expired(NOW)
    assert source.review_expired()

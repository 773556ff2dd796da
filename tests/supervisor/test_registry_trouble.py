"""A registry that the system does not let us read is one that cannot be used: the last good one stays; it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsd.api.changes import ChangeFeed
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.fleet.registry import LoopEntry
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.fleet.registry import FleetRegistry
from opsd.supervisor.loops.registry_source import FleetView, RegistrySource
from opsd.supervisor.loops.supervised import Fleet
from opsd.supervisor.loops.supervisor import FleetSupervisor
from opsd.supervisor.metrics.supervision import SupervisionMetrics
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.tasks.heartbeat import Heartbeat
from opsd.supervisor.tasks.supervisor import TaskSupervisor
from opsd.supervisor.tasks.workqueue import WorkQueue
from opsd.supervisor.vitals.self_check import SelfCheck
from opsd.supervisor.vitals.watchdog import BlockDetector
from tests.daemon.support import write_registry

REGISTRY = ".superloop/ops-manager/fleet/registry.v1.json"


def unreadable(path: Path) -> None:
    """Nobody can read it, whoever they are: a link to itself."""
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def test_a_registry_that_cannot_be_read_is_refused_like_one_that_is_wrong(tmp_path: Path) -> None:
    write_registry(tmp_path, {"loopId": "alpha"})
    source = RegistrySource(str(tmp_path), None, max_loops=10)
    assert [entry.loop_id for entry in source.read().entries] == ["alpha"]
    unreadable(tmp_path / REGISTRY)
    with pytest.raises(UsageError, match=f"cannot read .*{REGISTRY}: Too many levels of symbolic links"):
        source.read()


def test_loops_that_cannot_be_listed_are_not_loops_that_are_gone(tmp_path: Path) -> None:
    loops = tmp_path / ".superloop" / "loops"
    (loops / "alpha").mkdir(parents=True)
    source = RegistrySource(str(tmp_path), None, max_loops=10)
    assert [entry.loop_id for entry in source.read().entries] == ["alpha"]
    (loops / "alpha").rmdir()
    loops.rmdir()
    unreadable(loops)
    with pytest.raises(UsageError, match=r"cannot read .*loops: Too many levels"):
        source.read()
    loops.unlink()
    assert source.read().entries == ()


def test_the_fleets_steps_go_by_the_last_registry_that_could_be_read(tmp_path: Path) -> None:
    write_registry(tmp_path, {"loopId": "alpha"})
    registry = FleetRegistry(FileFleetStore(str(tmp_path)), lambda: 0.0)
    good = registry.read()
    unreadable(tmp_path / REGISTRY)
    reading = registry.read()
    assert reading.document == good.document
    assert "Too many levels of symbolic links" in str(reading.problem)
    with pytest.raises(ManagerFileError):
        registry.permitting()


class Registry:
    """A registry of one loop; ``meanwhile`` happens while it is read."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.forced: list[bool] = []
        self._meanwhile = meanwhile

    def review_expired(self) -> bool:
        return False

    def governance_warnings(self) -> list[str]:
        return []

    def read(self, *, force: bool) -> FleetView:
        self.forced.append(force)
        self._meanwhile()
        return FleetView((LoopEntry("alpha"),), "here", changed=len(self.forced) == 1)


class Rebuilt(Fleet):
    """Only notes what it is told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.rebuilds: list[bool] = []

    def apply(self, _entries: Any, _build: Any, *, rebuild: bool = False) -> Any:
        self.rebuilds.append(rebuild)
        return [], []


def following(registry: Registry) -> FleetSupervisor:
    """Who follows ``registry``, and notes what it makes of its fleet."""
    tasks = TaskSupervisor(lambda *_event: None)

    async def in_thread(work: Callable[[], object]) -> object:
        return work()

    supervisor = FleetSupervisor(
        cast(Any, SimpleNamespace(settings=Settings(), registry=registry)),
        WorkQueue(),
        tasks,
        SupervisionMetrics("0"),
        SelfCheck(tasks, BlockDetector(60, lambda *_block: None)),
        cast(Any, in_thread),
    )
    supervisor.fleet = Rebuilt()
    return supervisor


async def test_new_settings_that_come_while_the_registry_is_read_reach_every_loop() -> None:
    asked: list[asyncio.Future[None]] = []
    registry = Registry(lambda: asked.append(supervisor.rebuild()) if not asked else None)
    supervisor = following(registry)
    await supervisor.refresh()
    await supervisor.refresh()
    assert isinstance(supervisor.fleet, Rebuilt)
    assert (registry.forced, supervisor.fleet.rebuilds) == ([False, True], [False, True])


async def test_a_registry_may_be_looked_at_as_seldom_as_one_likes() -> None:
    supervisor = following(Registry())
    heartbeat = Heartbeat(1.0, lambda: 0.0)
    watch = asyncio.create_task(supervisor.watch(heartbeat))
    async with asyncio.timeout(60):
        while not heartbeat.waiting:
            await asyncio.sleep(0)
    assert not heartbeat.overdue(now=1000.0)
    watch.cancel()


async def test_of_a_loop_that_has_left_the_fleet_nothing_more_is_told() -> None:
    changes = ChangeFeed()
    nothing = cast(Any, None)
    supervisor = FleetSupervisor(nothing, nothing, nothing, nothing, nothing, nothing, changes=changes)
    supervisor.tell(cast(Any, SimpleNamespace(name="gone", view=lambda: {"loopId": "gone"})))
    assert changes.behind(0) == ([], False)

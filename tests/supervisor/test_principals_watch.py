"""The watch over the principals file: what it takes up, in which order, and what it tells of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from opsd.access.model import Scope
from opsd.access.source import PrincipalsSource
from opsd.contract.errors import ManagerFileError
from opsd.storage import files
from opsd.storage.audit_chain import verify
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.http.access_metrics import AccessMetrics
from opsd.supervisor.http.principals_watch import PrincipalsWatch
from opsd.supervisor.tasks.supervisor import TaskSupervisor
from opsd.supervisor.vitals.self_check import SelfCheck
from opsd.supervisor.vitals.watchdog import BlockDetector
from tests.access.factories import NOW, principal, token, write

READ = {"scopes": ["read"], "loops": ["*"]}


class World:
    """A principals file, a watch over it, and the audit."""

    def __init__(self, tmp_path: Path, *principals: Any) -> None:
        self.file = tmp_path / "principals.json"
        self.begun = 0
        write(self.file, principals)
        self.source = PrincipalsSource(str(self.file), clock=lambda: NOW)
        self.store = FileFleetStore(str(tmp_path / "repo"))
        self.check = SelfCheck(TaskSupervisor(lambda *_: None), BlockDetector(60.0, lambda *_: None))
        self.watch = PrincipalsWatch(self.source, AccessMetrics(), self.check, self.in_thread, lambda: self.store)

    def in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        self.begun += 1
        return asyncio.get_running_loop().run_in_executor(None, work, *arguments)

    @property
    def rows(self) -> list[Any]:
        return [
            {name: row[name] for name in ("phase", "action", "principal", "target", "before", "after")}
            for row in map(json.loads, Path(self.store.location(FleetLog.OPERATIONS)).read_text().splitlines())
        ]


async def test_rights_that_were_edited_by_hand_are_told_and_audited(tmp_path: Path) -> None:
    world = World(tmp_path, principal("ann"), principal("bob", tokens=[token(1)]))
    await world.watch.load()
    write(world.file, (principal("ann", Scope.ADMIN), principal("eve", loops=("web-*",), tokens=[token(2)])))
    with structlog.testing.capture_logs() as lines:
        await world.watch.look_now()
        await world.watch.look_now()
    told = [line for line in lines if line["event"] == "principals.rights_changed"]
    assert [(line["name"], line["scopes_before"], line["scopes"]) for line in told] == [
        ("ann", ["read"], ["admin"]),
        ("eve", None, ["read"]),
        ("bob", ["read"], None),
    ]
    assert not {token().id, token().sha256} & set(str(told).split("'"))
    seen = {"phase": "seen", "action": "principalRights", "principal": None}
    assert world.rows == [
        {**seen, "target": {"name": "ann"}, "before": READ, "after": {"scopes": ["admin"], "loops": ["*"]}},
        {**seen, "target": {"name": "eve"}, "before": None, "after": {"scopes": ["read"], "loops": ["web-*"]}},
        {**seen, "target": {"name": "bob"}, "before": READ, "after": None},
    ]
    report = verify(world.store.location(FleetLog.OPERATIONS))
    assert report is not None
    assert report.ok


async def test_who_is_there_at_the_start_and_a_further_token_is_no_change_of_rights(tmp_path: Path) -> None:
    world = World(tmp_path, principal("ann"))
    with structlog.testing.capture_logs() as lines:
        await world.watch.load()
        write(world.file, (principal("ann", tokens=[token(1), token(2)]),))
        await world.watch.look_now()
    assert [line["event"] for line in lines] == ["principals.loaded", "principals.loaded"]
    assert not world.store.exists(FleetLog.OPERATIONS)


async def test_a_file_that_cannot_be_used_says_so_and_changes_nobodys_rights(tmp_path: Path) -> None:
    world = World(tmp_path, principal("ann"))
    await world.watch.load()
    world.file.write_text("{")
    with pytest.raises(ManagerFileError, match="it is not JSON"):
        await world.watch.look_now()
    assert world.check.principals_problem == world.source.problem
    write(world.file, (principal("ann"),))
    await world.watch.look_now()
    assert world.check.principals_problem is None
    assert not world.store.exists(FleetLog.OPERATIONS)


async def test_rights_are_in_force_also_where_the_audit_cannot_be_written(tmp_path: Path) -> None:
    world = World(tmp_path, principal("ann"))
    await world.watch.load()
    (tmp_path / "repo").write_text("in the way")
    write(world.file, (principal("ann", Scope.ADMIN),))
    with structlog.testing.capture_logs() as lines:
        await world.watch.look_now()
    assert world.source.principals[0].scopes == {Scope.ADMIN}
    assert [line["event"] for line in lines][-2:] == ["principals.rights_changed", "principals.audit_incomplete"]


async def test_a_look_that_was_overtaken_does_not_bring_back_what_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look of the timer has read the file and then stands still; somebody changes it, and asks for a look."""
    world = World(tmp_path, principal("ann"))
    await world.watch.load()
    has_read, goes_on = threading.Event(), threading.Event()

    def slow(path: str) -> bytes | None:
        data = files.read_bytes(path)
        if not has_read.is_set():
            has_read.set()
            assert goes_on.wait(60)
        return data

    monkeypatch.setattr("opsd.access.source.read_bytes", slow)
    write(world.file, (principal("bob"),))
    of_timer = asyncio.ensure_future(world.watch.look_now())
    assert await asyncio.to_thread(has_read.wait, 60)
    begun = world.begun
    write(world.file, (principal("eve"),))
    asked = asyncio.ensure_future(world.watch.look_now())
    await asyncio.sleep(0)  # it has come as far as it can
    assert world.begun == begun
    goes_on.set()
    await asyncio.gather(of_timer, asked)
    assert [one.name for one in world.source.principals] == ["eve"]

"""What /readyz says of a daemon whose disk is full: its tasks progress, and somebody has to look after it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from opsd.supervisor.http.live_view import DaemonView
from opsd.supervisor.loops.managed_loop import Knowledge
from opsd.supervisor.loops.supervisor import FleetSupervisor
from opsd.supervisor.tasks.supervisor import TaskSupervisor
from opsd.supervisor.vitals.self_check import SelfCheck
from opsd.supervisor.vitals.watchdog import BlockDetector

NOTHING = cast(Any, None)


def test_a_full_disk_is_told_though_every_task_progresses() -> None:
    fleet = FleetSupervisor(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    failures = [
        ("manager_file", "cannot write state.json: No space left on device"),
        ("snapshot_unavailable", ""),
        None,
    ]
    loops = [SimpleNamespace(knowledge=Knowledge(failure=failure)) for failure in failures]
    fleet.fleet = cast(Any, loops)
    check = SelfCheck(TaskSupervisor(lambda *_event: None), BlockDetector(60, lambda *_block: None))
    view = DaemonView("/repo", NOTHING, fleet, check, NOTHING)
    assert view.readiness() == (True, ["passes over 1 of the loops cannot use the manager's files, see the log"])
    loops[0].knowledge.failure = None
    assert view.readiness() == (True, [])

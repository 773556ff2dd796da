"""Reading what the gates judge, so that nothing unreadable ever looks like something good (contract 90, A2).

The handoff history is streamed: of a log of any size only the newest selected rows are kept. One value anywhere that
is no row, a torn last line included, makes all of it invalid. What cannot be opened at all is an error of its own.
"""

from __future__ import annotations

import sys
from collections import deque

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import absent
from opsd.promotion.inputs import (
    AutonomousRun,
    DrillEvidence,
    DrillRecords,
    HandoffEvidence,
    HandoffHistory,
    Invalid,
    Missing,
)
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

#: No execution has more intents; a count beyond, below zero or not finite could hide every other.
_MAX_COUNT = 10**12


class ExecutionWindow:
    """Keeps the newest ``size`` autonomous executions of a handoff log (A3.2)."""

    def __init__(self, size: int) -> None:
        self._runs: deque[AutonomousRun] = deque(maxlen=min(size, sys.maxsize))

    @property
    def runs(self) -> tuple[AutonomousRun, ...]:
        """Oldest first."""
        return tuple(self._runs)

    def reset(self) -> None:
        """Forget them."""
        self._runs.clear()

    def add(self, row: JsonObject) -> None:
        """Take in one row of the log.

        Raises:
            ValueError: it tells of an execution and cannot be read.
        """
        run = execution_of(row)
        if run is not None:
            self._runs.append(run)


def execution_of(row: JsonObject) -> AutonomousRun | None:
    """The autonomous execution that a row tells of; None when it tells of something else.

    Raises:
        ValueError: ``execution`` is no object, or one of its counts is no count. A count that is missing is 0.
    """
    if row.get("category") != "fleet_handoff_execute":
        return None
    execution = row.get("execution")
    if execution is None:
        return None
    if not isinstance(execution, dict):
        raise ValueError("execution is not an object")
    if execution.get("mode") != "autonomous":
        return None
    timestamp = row.get("timestamp")
    return AutonomousRun(
        attempted=_count(execution.get("requestedIntentCount")),
        executed=_count(execution.get("executedCount")),
        ambiguous=_count(execution.get("ambiguousCount")),
        failed=_count(execution.get("failedCount")),
        timestamp=timestamp if isinstance(timestamp, str) else None,
    )


def _count(value: JsonValue) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    # What is not finite compares as false, so the range is asked for, not its opposite.
    if not 0 <= value <= _MAX_COUNT or value != int(value):
        raise ValueError("not a count")
    return int(value)


def read_handoff(store: FleetStore, window_executions: int) -> HandoffEvidence:
    """The newest autonomous executions in the handoff telemetry."""
    if not store.exists(FleetLog.HANDOFF):
        return Missing()
    window = ExecutionWindow(window_executions)
    follower = store.follower(FleetLog.HANDOFF, window, what="handoff telemetry")
    try:
        follower.catch_up()
    except ManagerFileError:
        return Invalid()
    return Invalid() if follower.torn else HandoffHistory(window.runs)


def read_drills(store: FleetStore) -> DrillEvidence:
    """What operators recorded of their drills."""
    data = store.read(FleetDocument.DRILLS)
    return Missing() if data is None else parse_drills(data)


def parse_drills(data: bytes) -> DrillEvidence:
    """The drill file's records; ``null``, ``{}`` and a file without ``drills`` have none."""
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        return Invalid()
    if document is None:
        return DrillRecords()
    if not isinstance(document, dict):
        return Invalid()
    drills = document.get("drills")
    if absent(drills):
        return DrillRecords()
    return DrillRecords(drills) if isinstance(drills, list) else Invalid()

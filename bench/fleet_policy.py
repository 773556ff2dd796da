"""One policy run over 1,000 loops and 100,000 history rows: what it costs beside reading the file, and how it grows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from bench.measure import Figure, paired
from opsd.fleet.normalize import normalized
from opsd.fleet.policy.memory import PolicyMemory
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore

_ROWS = 100_000
_LOOPS = 1000


def many_loops() -> Iterator[Figure]:
    """A one-shot run against parsing its history; a kept memory's run, ten times as many loops against ten runs."""
    with tempfile.TemporaryDirectory() as name:
        large, small = _Fleet(f"{name}/large", _LOOPS), _Fleet(f"{name}/small", _LOOPS // 10)
        large.fill_history()
        history = Path(large.store.location(FleetLog.POLICY_HISTORY))

        def parse() -> None:
            for line in history.read_bytes().splitlines():
                orjson.loads(line)

        mine, _theirs, ratio = paired(large.run_anew, parse)
        yield Figure(
            "fleet policy over 1,000 loops and 100,000 history rows against parsing those rows",
            ratio,
            "<= 3",
            f"{mine * 1000:.0f} ms",
        )
        large.run_again()
        small.run_again()

        def ten_small() -> None:
            for _ in range(10):
                small.run_again()

        mine, theirs, ratio = paired(large.run_again, ten_small)
        yield Figure(
            "fleet policy in a process that stays: 1,000 loops against ten runs over 100",
            ratio,
            "<= 1.1",
            f"{mine * 1000:.0f} ms against {theirs * 1000:.0f} ms, the history's length regardless",
        )


class _Fleet:
    """A fleet whose loops all are critical."""

    def __init__(self, repo: str, loops: int) -> None:
        self.store = FileFleetStore(repo)
        self.names = [f"loop-{number:04d}" for number in range(loops)]
        self.registry = normalized(
            {"schemaVersion": "v1", "loops": [{"loopId": name} for name in self.names]}, source="bench"
        )
        results = [{"loopId": name, "status": "success", "healthStatus": "critical"} for name in self.names]
        self.store.replace(FleetDocument.STATE, {"fleetId": "default", "traceId": "t", "results": results})
        self.memory = PolicyMemory(self.store)

    def fill_history(self) -> None:
        """Rows as a run writes them."""
        self.run_anew()
        path = Path(self.store.location(FleetLog.POLICY_HISTORY))
        rows = path.read_bytes()
        path.write_bytes(rows * (_ROWS // len(self.names)))

    def run_anew(self) -> None:
        """As a one-shot command does it."""
        self._run(PolicyMemory(self.store))

    def run_again(self) -> None:
        """As a daemon does it."""
        self._run(self.memory)

    def _run(self, memory: PolicyMemory) -> None:
        state = run_policy(self.store, self.registry, PolicyRequest(), clock=time.time, memory=memory)
        assert state["candidateCount"] == len(self.names)

"""CPU of fleet status, the handoff's plan and the daemon's rollup over 1,000 loops, and how it grows with the fleet."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator

from bench.measure import Figure, cpu_s, paired
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import ControlAnswer
from opsd.fleet.handoff.run import Handoff, HandoffRequest
from opsd.fleet.loop_answer import LoopAnswer
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.normalize import normalized
from opsd.fleet.observed import LoopPass, Observation, observed_state
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.fleet.publish import publish
from opsd.fleet.rollup import FleetOptions
from opsd.fleet.status.document import fleet_status
from opsd.fleet.status.read import read_status_inputs
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FileFleetStore

_LOOPS = 1000
_ROWS = 100_000


def many_loops() -> Iterator[Figure]:
    """Each step over 1,000 loops against ten times the step over 100; the histories hold 100,000 rows."""
    with tempfile.TemporaryDirectory() as name:
        large, small = _Fleet(f"{name}/large", _LOOPS), _Fleet(f"{name}/small", _LOOPS // 10)
        steps: list[tuple[str, str, Callable[[_Fleet], object]]] = [
            ("rollup of the daemon's passes", "loops/s", _Fleet.rollup),
            ("status", "ms", _Fleet.status),
            ("handoff plan", "ms", _Fleet.plan),
        ]
        for title, unit, step in steps:

            def once(step: Callable[[_Fleet], object] = step) -> None:
                step(large)

            def ten(step: Callable[[_Fleet], object] = step) -> None:
                for _ in range(10):
                    step(small)

            mine, theirs, ratio = paired(once, ten, clock=cpu_s)
            shown = f"{_LOOPS / mine:.0f} loops/s" if unit == "loops/s" else f"{mine * 1000:.0f} ms"
            yield Figure(
                f"fleet {title}: 1,000 loops against ten times 100",
                ratio,
                "<= 1.1",
                f"{shown} ({theirs * 1000:.0f} ms for ten small ones), the histories' length regardless",
            )


class _Fleet:
    """A fleet whose loops all are critical, with long histories."""

    def __init__(self, repo: str, loops: int) -> None:
        self.repo = repo
        self.store = FileFleetStore(repo)
        self.registry: JsonObject = normalized(
            {"schemaVersion": "v1", "loops": [{"loopId": f"loop-{number:04d}"} for number in range(loops)]},
            source="bench",
        )
        moment = LoopTime(time.time(), time.time(), 0.0)
        answer = LoopAnswer(True, {"health": {"status": "critical", "reasonCodes": ["ingest_stale"]}})
        self.seen = {item["loopId"]: Observation(LoopPass(answer, moment, "t")) for item in self.registry["loops"]}
        publish(self.store, self.rollup())
        run_policy(self.store, self.registry, PolicyRequest(), clock=time.time)
        self.plan()
        for log in (FleetLog.POLICY_HISTORY, FleetLog.HANDOFF):
            row = jsoncodec.loads((self.store.read(log) or b"").splitlines()[-1])
            self.store.append(log, [row] * _ROWS)

    def rollup(self) -> JsonObject:
        """What the daemon makes of its passes."""
        moment = LoopTime(time.time(), time.time(), 0.0)
        return observed_state(self.repo, self.registry, FleetOptions("t"), self.seen, moment, env={})

    def status(self) -> JsonObject:
        """``opsd fleet status``."""
        return fleet_status(read_status_inputs(self.repo, self.store, lambda: self.registry, clock=time.time))

    def plan(self) -> JsonObject:
        """``opsd fleet handoff``."""
        return Handoff(self.store, lambda: self.registry, lambda _request: ControlAnswer(1)).run(HandoffRequest())

"""One autonomous run over real files that kills its own process at a step: ``dying_handoff.py <repo> <step>``.

Run as a program by ``test_handoff_crash``. Steps are every write and the call of control, which notes that it ran.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from opsd.cli.fleet.registry_step import normalized_registry
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import ControlAnswer, DispatchRequest, Order
from opsd.fleet.handoff.run import Handoff, HandoffRequest
from opsd.fleet.handoff.words import ExecutionMode
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore

repo, left = sys.argv[1], int(sys.argv[2])


def step() -> None:
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1


class DyingStore(FileFleetStore):
    def append(self, log: FleetLog, rows: Sequence[JsonObject], *, durable: bool = False, rotate_over: int = 0) -> None:
        step()
        super().append(log, rows, durable=durable, rotate_over=rotate_over)

    def append_audited(self, log: FleetLog, rows: Sequence[JsonObject]) -> None:
        step()
        super().append_audited(log, rows)

    def replace(self, document: FleetDocument, value: JsonObject) -> None:
        step()
        super().replace(document, value)


def control(request: DispatchRequest) -> ControlAnswer:
    step()
    with open(f"{repo}/calls", "a") as file:
        file.write(f"{request.loop_id}\n")
    step()
    return ControlAnswer(0, {"status": "confirmed"})


store = DyingStore(repo)
registry_file = store.location(FleetDocument.REGISTRY)
Handoff(store, lambda: normalized_registry(repo, registry_file), control).run(
    HandoffRequest(order=Order(ExecutionMode.AUTONOMOUS, "test"))
)

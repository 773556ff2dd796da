"""A fleet store that kills its own process at its n-th write."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from opsd.contract.jsoncodec import JsonObject
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore
from opsd.storage.run_journal import RunJournal


class Fuse:
    """Burns down by one at every step."""

    def __init__(self, left: int) -> None:
        self.left = left

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def dying_store(repo: str, burning: Fuse) -> FileFleetStore:
    class DyingJournal(RunJournal):
        def _append(self, run_id: str, phase: str, fields: JsonObject, *, rotate_over: int) -> None:
            burning.step()
            super()._append(run_id, phase, fields, rotate_over=rotate_over)

    class DyingStore(FileFleetStore):
        def append(
            self, log: FleetLog, rows: Sequence[JsonObject], *, durable: bool = False, rotate_over: int = 0
        ) -> None:
            burning.step()
            super().append(log, rows, durable=durable, rotate_over=rotate_over)

        def replace(self, document: FleetDocument, value: JsonObject) -> None:
            burning.step()
            super().replace(document, value)

        def replace_text(self, document: FleetDocument, text: bytes) -> None:
            burning.step()
            super().replace_text(document, text)

        def journal(self, log: FleetLog) -> RunJournal:
            return DyingJournal(super().journal(log).path)

    return DyingStore(repo)

"""Running an intent of any transport: written down, executed, recorded (contract 30, section 3 and weakness 5)."""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.control.ledger import Ledger
from opsd.control.verdict import ControlRequest, ControlTime, Verdict, masked

#: Carries out a request and says what became of it.
Executor = Callable[[ControlRequest], Verdict]


@dataclass(frozen=True, slots=True)
class Control:
    """Runs intents of any transport through the ledger.

    Args:
        execute: what really does it.
        on_recovered: told of every intent of a dead process that was completed.
        secrets: what nothing that a program or a service says may carry into the rows.
    """

    execute: Executor
    on_recovered: Callable[[JsonObject], None] = lambda _row: None
    secrets: Sequence[str] = ()
    clock: Callable[[], float] = clocks.time
    monotonic: Callable[[], float] = clocks.monotonic

    def run(self, request: ControlRequest) -> tuple[JsonObject, Verdict]:
        """Write down, execute, record; the intents row and the verdict.

        Raises:
            ManagerFileError, LockTimeoutError: the intent could not be written down. Nothing was executed.
            UnrecordedError: it was executed, and the rows could not be written.
        """
        ledger = Ledger(request.repo, request.loop_id, clock=self.clock)
        for row in ledger.recover():
            self.on_recovered(row)
        repeated = ledger.repeats_key(request.idempotency_key)
        started_at, began = format_utc(self.clock()), self.monotonic()
        pending = ledger.begin(request, started_at)
        try:
            verdict = masked(self.execute(request), self.secrets)
        except BaseException:
            ledger.abandon(pending)
            raise
        if repeated:
            verdict = replace(verdict, additions={**(verdict.additions or {}), "repeatedIdempotencyKey": True})
        time = ControlTime(started_at, format_utc(self.clock()), max(0, int(self.monotonic() - began)))
        return ledger.complete(pending, request, verdict, time), verdict

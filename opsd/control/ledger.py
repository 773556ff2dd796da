"""The control ledger: an intent is on disk before its command runs, its rows follow (30, weaknesses 5 and 20).

What runs is written down in the intent journal first, then its verdict, then the three audit rows. What a dead
process left is completed by whoever comes next: with its verdict if that is known, else as ``ambiguous``. Nothing is
ever executed again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError, ManagerFileError
from opsd.contract.ids import LoopId, new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.control.verdict import (
    ControlRequest,
    ControlStatus,
    ControlTime,
    Intent,
    Verdict,
    intent_row,
    invocation_row,
    telemetry_row,
)
from opsd.storage.intent_journal import FINISHED, RECORDED, UNUSABLE, IntentJournal
from opsd.storage.model import Commit, RowLog
from opsd.storage.store import FileLoopStore
from opsd.storage.tail import tail_lines

_LOCK_WAIT_S = 10.0
_ROWS = {RowLog.INTENTS: intent_row, RowLog.CONTROL: telemetry_row, RowLog.INVOCATIONS: invocation_row}


class Pending(NamedTuple):
    """One intent between its being written down and its rows."""

    control_id: str
    held: int


class UnrecordedError(ManagerFileError):
    """An intent was executed and its rows could not be written. The journal has it; the next control completes it."""

    def __init__(self, message: str, row: JsonObject, verdict: Verdict) -> None:
        super().__init__(message)
        self.row = row
        self.verdict = verdict


class Ledger:
    """The control records of one loop."""

    def __init__(self, repo: str, loop_id: LoopId, *, clock: Callable[[], float]) -> None:
        self._store = FileLoopStore(repo, loop_id)
        self._journal = IntentJournal(repo, loop_id)
        self._clock = clock

    def begin(self, request: ControlRequest, started_at: str) -> Pending:
        """Write the request down; it is on disk when this returns.

        Raises:
            ManagerFileError, LockTimeoutError: it cannot be written. Nothing may be executed then.
        """
        control_id = new_trace_id()
        return Pending(
            control_id, self._journal.begin(control_id, {"startedAt": started_at, "request": asdict(request)})
        )

    def abandon(self, pending: Pending) -> None:
        """Nobody knows what became of it: the next control tells of it as ambiguous."""
        self._journal.release(pending.control_id, pending.held)

    def complete(self, pending: Pending, request: ControlRequest, verdict: Verdict, time: ControlTime) -> JsonObject:
        """Write the verdict and the three rows; the intents row.

        Raises:
            UnrecordedError: they cannot be written.
        """
        control_id = pending.control_id
        try:
            with contextlib.suppress(ManagerFileError):  # the rows tell more, and may still find room
                self._journal.append(control_id, FINISHED, {"verdict": asdict(verdict), "time": asdict(time)})
            self._write(request, verdict, time, control_id, frozenset())
            self._journal.append(control_id, RECORDED, {})
        except ManagerFileError as error:
            row = intent_row(request, verdict, time, control_id)
            raise UnrecordedError(error.message, row, verdict) from error
        finally:
            self._journal.release(control_id, pending.held)
        return intent_row(request, verdict, time, control_id)

    def recover(self) -> list[JsonObject]:
        """Complete what dead processes left; the intents rows that were added.

        Raises:
            ManagerFileError, LockTimeoutError: a row cannot be written.
        """
        added: list[JsonObject] = []
        with self._journal.abandoned() as abandoned:
            for control_id, rows in abandoned.items():
                try:
                    request, verdict, time = self._read(rows)
                except (ValueError, KeyError, TypeError):
                    self._journal.append(control_id, UNUSABLE, {})
                    continue
                present = self._present(control_id)
                self._write(request, verdict, time, control_id, present)
                self._journal.append(control_id, RECORDED, {"recovered": True})
                if RowLog.INTENTS not in present:
                    added.append(intent_row(request, verdict, time, control_id))
        return added

    def repeats_key(self, key: str) -> bool:
        """Whether one of the newest intents had this idempotency key (weakness 23)."""
        quoted = b'"idempotencyKey":' + jsoncodec.dumps(key)
        return any(quoted in line for line in tail_lines(self._store.location(RowLog.INTENTS), 200))

    def in_flight(self) -> bool:
        """Whether a living process is carrying out an intent of this loop right now."""
        return self._journal.any_running()

    def _read(self, rows: Sequence[JsonObject]) -> tuple[ControlRequest, Verdict, ControlTime]:
        fields, started_at = dict(rows[0]["request"]), str(rows[0]["startedAt"])
        request = ControlRequest(
            **{**fields, "intent": Intent(fields["intent"]), "transport": TransportKind(fields["transport"])}
        )
        finished = next((row for row in rows if row.get("phase") == FINISHED), None)
        if finished is not None:
            return request, Verdict(**finished["verdict"]), ControlTime(**finished["time"])
        now = format_utc(self._clock())
        duration_s = max(0, (parse_epoch(now) or 0) - (parse_epoch(started_at) or 0))
        lost = Verdict(
            ControlStatus.AMBIGUOUS,
            "",
            output="the process that ran this intent ended before its outcome was known",
            additions={"recovered": True},
        )
        return request, lost, ControlTime(started_at, now, duration_s)

    def _present(self, control_id: str) -> frozenset[RowLog]:
        quoted = jsoncodec.dumps(control_id)
        return frozenset(
            log for log in _ROWS if any(quoted in line for line in tail_lines(self._store.location(log), 200))
        )

    def _write(
        self, request: ControlRequest, verdict: Verdict, time: ControlTime, control_id: str, present: frozenset[RowLog]
    ) -> None:
        """Each row one append under the loop's lock; a lock that somebody holds for long keeps no row away."""
        rows = {log: build(request, verdict, time, control_id) for log, build in _ROWS.items()}
        commit = Commit(rows=[(log, row) for log, row in rows.items() if log not in present], durable=frozenset(_ROWS))
        try:
            held = self._store.lock(wait_s=_LOCK_WAIT_S)
        except LockTimeoutError:
            self._store.commit(commit)
        else:
            try:
                self._store.commit(commit)
            finally:
                self._store.unlock(held)

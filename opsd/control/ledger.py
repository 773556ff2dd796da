"""The control ledger: an intent is on disk before its command runs, its rows follow (30, weaknesses 5 and 20).

Each running intent has a file of its own under ``<ops>/control-pending/``: a first line with the request, synced
before the command starts, and a second one with the verdict. It is locked while its process lives and removed when
the rows stand. What a dead process left is completed by whoever comes next: with its verdict if that is known, else
as ``ambiguous``. Nothing is ever executed again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict

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
from opsd.storage.files import sync_folder
from opsd.storage.model import Commit, RowLog
from opsd.storage.store import FileLoopStore
from opsd.storage.tail import tail_lines

_LOCK_WAIT_S = 10.0
_ROWS = {RowLog.INTENTS: intent_row, RowLog.CONTROL: telemetry_row, RowLog.INVOCATIONS: invocation_row}


class Pending:
    """One intent between its being written down and its rows. Its descriptor holds the file's lock."""

    def __init__(self, descriptor: int, path: str, control_id: str) -> None:
        self.descriptor = descriptor
        self.path = path
        self.control_id = control_id

    def note(self, line: JsonObject) -> None:
        """Append a line that survives a power loss."""
        os.write(self.descriptor, jsoncodec.dumps(line) + b"\n")
        os.fsync(self.descriptor)

    def close(self, *, remove: bool) -> None:
        """Let go of the file."""
        if remove:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        os.close(self.descriptor)


class Ledger:
    """The control records of one loop."""

    def __init__(self, repo: str, loop_id: LoopId, *, clock: Callable[[], float]) -> None:
        self._store = FileLoopStore(repo, loop_id)
        self._folder = f"{os.path.dirname(self._store.location(RowLog.INTENTS))}/control-pending"
        self._clock = clock

    def begin(self, request: ControlRequest, started_at: str) -> Pending:
        """Write the request down; it is on disk when this returns.

        Raises:
            ManagerFileError: it cannot be written. Nothing may be executed then.
        """
        control_id = new_trace_id()
        path = f"{self._folder}/{control_id}.jsonl"
        new = f"{self._folder}/.{control_id}.new"  # nobody looks at it before it is locked and whole
        try:
            os.makedirs(self._folder, exist_ok=True)
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            pending = Pending(descriptor, path, control_id)
            pending.note({"startedAt": started_at, "request": asdict(request)})
            os.rename(new, path)
            sync_folder(self._folder)
        except OSError as error:
            raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error
        return pending

    def complete(self, pending: Pending, request: ControlRequest, verdict: Verdict, time: ControlTime) -> JsonObject:
        """Write the verdict and the three rows; the intents row."""
        pending.note({"verdict": asdict(verdict), "time": asdict(time)})
        row = self._write(request, verdict, time, pending.control_id, frozenset())
        pending.close(remove=True)
        return row

    def recover(self) -> list[JsonObject]:
        """Complete what dead processes left; the intents rows that were added."""
        added: list[JsonObject] = []
        for pending in self._orphans():
            try:
                request, verdict, time = self._read(pending)
            except (ValueError, KeyError, TypeError, IndexError):
                pending.close(remove=False)  # unreadable: kept for a person
                continue
            present = self._present(pending.control_id)
            row = self._write(request, verdict, time, pending.control_id, present)
            if RowLog.INTENTS not in present:
                added.append(row)
            pending.close(remove=True)
        return added

    def repeats_key(self, key: str) -> bool:
        """Whether one of the newest intents had this idempotency key (weakness 23)."""
        quoted = b'"idempotencyKey":' + jsoncodec.dumps(key)
        return any(quoted in line for line in tail_lines(self._store.location(RowLog.INTENTS), 200))

    def in_flight(self) -> bool:
        """Whether a living process is carrying out an intent of this loop right now."""
        try:
            names = [name for name in os.listdir(self._folder) if name.endswith(".jsonl")]
        except (FileNotFoundError, NotADirectoryError):
            return False
        return any(_is_locked(f"{self._folder}/{name}") for name in names)

    def _orphans(self) -> Iterator[Pending]:
        try:
            names = sorted(os.listdir(self._folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            path = f"{self._folder}/{name}"
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)  # its process lives
                continue
            if os.fstat(descriptor).st_nlink == 0:
                os.close(descriptor)  # completed while we looked
                continue
            if not name.endswith(".jsonl"):  # not whole when its process died: nothing was executed
                Pending(descriptor, path, name).close(remove=True)
                continue
            yield Pending(descriptor, path, name.removesuffix(".jsonl"))

    def _read(self, pending: Pending) -> tuple[ControlRequest, Verdict, ControlTime]:
        data = os.pread(pending.descriptor, 16 * 1024 * 1024, 0)
        lines = [jsoncodec.loads(line) for line in data.split(b"\n")[:-1]]
        fields, started_at = dict(lines[0]["request"]), str(lines[0]["startedAt"])
        request = ControlRequest(
            **{**fields, "intent": Intent(fields["intent"]), "transport": TransportKind(fields["transport"])}
        )
        if len(lines) > 1:
            return request, Verdict(**lines[1]["verdict"]), ControlTime(**lines[1]["time"])
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
    ) -> JsonObject:
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
        return rows[RowLog.INTENTS]


def _is_locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

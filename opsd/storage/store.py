"""The ``Store`` seam: load a loop's memory, commit what a pass concluded, hold the loop's lock.

Files are the embedded default. Nothing above this protocol knows where anything lies; the locations that the
contract's rows quote come from :meth:`Store.location`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, locks, row_files
from opsd.storage.layout import ManagerLayout, Part
from opsd.storage.model import Commit, Document, LoopMemory, RowLog, TailRow, TelemetryTail, tail_row
from opsd.storage.tail import last_complete_line, tail_rows

#: Telemetry of every pass, of which only tails are read; the other logs are counted by line and never rotated.
_ROTATABLE = frozenset({RowLog.RECONCILE, RowLog.HEARTBEAT, RowLog.SEQUENCE, RowLog.DRIFT})
#: An enum is slow to go through, and every pass does it.
_DOCUMENTS = tuple(Document)


class LoopStore(Protocol):
    """The persistence of one loop. Blocking; one pass at a time under :meth:`lock`."""

    def lock(self, *, wait_s: float) -> int:
        """Take the loop's lock; give what it returns to :meth:`unlock`.

        Raises:
            LockTimeoutError: somebody else held it for ``wait_s`` seconds.
        """
        ...

    def unlock(self, held: int) -> None:
        """Release the lock."""
        ...

    def load(self, *, tail: int = 0) -> LoopMemory:
        """What earlier passes left, with the newest ``tail`` rows of telemetry."""
        ...

    def commit(self, commit: Commit) -> None:
        """Write rows and documents in the order that makes a crash harmless.

        Raises:
            ManagerFileError: something could not be written; what stands before it has been.
        """
        ...

    def location(self, part: Part) -> str:
        """How the contract's rows name the place of a document or log."""
        ...


class FileLoopStore:
    """Files below ``.superloop/ops-manager/<loop>``.

    Documents that this process wrote or read are kept parsed, with the stat that they had; a file that somebody
    else replaced is read again.
    """

    def __init__(
        self,
        repo: str,
        loop_id: LoopId,
        *,
        overrides: Mapping[Part, str] | None = None,
        rotate_telemetry_over: int = 0,
    ) -> None:
        self._layout = ManagerLayout(repo, loop_id, overrides)
        self._known: dict[Document, tuple[files.Signature, JsonObject | None]] = {}
        self._intent: tuple[files.Signature | None, JsonObject] = (None, {})
        #: Newest rows of a log: signature of the file, how many at most, and the rows.
        self._newest_rows: dict[RowLog, tuple[files.Signature, int, tuple[TailRow, ...]]] = {}
        self._rotate_over = rotate_telemetry_over
        self._swept = False

    def lock(self, *, wait_s: float) -> int:
        """See :meth:`LoopStore.lock`."""
        held = locks.acquire(self._layout.lock_file, wait_s=wait_s)
        if not self._swept:
            files.sweep(self._layout.folder)
            files.sweep(self._layout.telemetry_folder)
            self._swept = True
        return held

    def unlock(self, held: int) -> None:
        """See :meth:`LoopStore.unlock`."""
        os.close(held)

    def location(self, part: Part) -> str:
        """The path of the file, absolute for defaults and as given for path flags."""
        return self._layout.path(part)

    def load(self, *, tail: int = 0) -> LoopMemory:
        """See :meth:`LoopStore.load`."""
        documents: dict[Document, JsonObject] = {}
        damaged: list[Document] = []
        for document in _DOCUMENTS:
            found = files.signature(self._layout.path(document))
            if found is None:
                self._known.pop(document, None)
                continue
            value = self._read(document, found)
            if value is None:
                damaged.append(document)
            else:
                documents[document] = value
        return LoopMemory(documents, frozenset(damaged), self._last_intent(), self._telemetry_tail(tail))

    def _telemetry_tail(self, count: int) -> TelemetryTail:
        if not count:
            return TelemetryTail()
        try:
            return TelemetryTail(self._newest(RowLog.RECONCILE, count), self._newest(RowLog.CONTROL, count))
        except ManagerFileError as error:
            return TelemetryTail(error=error.message)

    def _newest(self, log: RowLog, count: int) -> tuple[TailRow, ...]:
        path = self._layout.path(log)
        found = files.signature(path)
        if found is None:
            return ()
        known = self._newest_rows.get(log)
        if known is None or known[:2] != (found, count):
            self._newest_rows[log] = known = (found, count, tuple(map(tail_row, tail_rows(path, count))))
        return known[2]

    def _read(self, document: Document, found: files.Signature) -> JsonObject | None:
        known = self._known.get(document)
        if known is not None and known[0] == found:
            return known[1]
        value = parse_document(files.read_bytes(self._layout.path(document)))
        self._known[document] = (found, value)
        return value

    def _last_intent(self) -> JsonObject:
        path = self._layout.path(RowLog.INTENTS)
        found = files.signature(path)
        if found is None:
            return {}
        if found != self._intent[0]:
            self._intent = (found, parse_row(last_complete_line(path)))
        return self._intent[1]

    def commit(self, commit: Commit) -> None:
        """See :meth:`LoopStore.commit`."""
        for document in commit.set_aside:
            files.set_aside(self._layout.path(document))
        before, self._newest_rows = self._newest_rows, {}  # what fails half-way is read again
        pending: dict[RowLog, bytes] = {}
        for log, row in commit.rows:
            pending[log] = pending.get(log, b"") + jsoncodec.dumps(row) + b"\n"
        for log, data in pending.items():
            path = self._layout.path(log)
            found = row_files.append_lines(
                path,
                data,
                durable=log in commit.durable,
                rotate_over=self._rotate_over if log in _ROTATABLE else 0,
                # Only passes write there, and one bad row would spoil the whole window of the summary (40, 8, row 1).
                is_whole=jsoncodec.is_json if log is RowLog.RECONCILE else None,
            )
            known = before.get(log)
            if known is not None:
                rows = (*known[2], *(tail_row(row) for row_log, row in commit.rows if row_log is log))
                self._newest_rows[log] = (found, known[1], rows[-known[1] :])
        for log, rows_known in before.items():
            self._newest_rows.setdefault(log, rows_known)
        for document, value in commit.documents:
            # The cursor file is the one artifact with indentation (contract 20, 1.1).
            encoded = jsoncodec.dumps_pretty(value) if document is Document.CURSOR else jsoncodec.dumps(value)
            written = files.replace_file(self._layout.path(document), encoded + b"\n")
            self._known[document] = (written, value)


def parse_document(data: bytes | None) -> JsonObject | None:
    """A manager document: an object, ``{}`` for the JSON value null, None for anything else (contract 20, 5.1)."""
    if data is None:
        return None
    try:
        value = jsoncodec.loads(data)
    except ValueError:
        return None
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def parse_row(line: bytes) -> JsonObject:
    """A JSONL row, empty when the line is empty or not an object."""
    return jsoncodec.object_in(line) or {}

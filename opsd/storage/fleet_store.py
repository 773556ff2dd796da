"""A fleet's files (contract 00, *Manager Persistence Paths*; 60 to 95); what is asked of them: ``fleet_port``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import audit_chain, files, locks, row_files, tail
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart, FleetReport
from opsd.storage.follow import Fold, LogFollower
from opsd.storage.key_records import KeyRecords
from opsd.storage.run_journal import RunJournal
from opsd.storage.shared_document import SharedDocument


class FileFleetStore:
    """Files below ``.superloop/ops-manager/fleet``; ``overrides`` are path flags, kept exactly as given."""

    def __init__(self, repo: str, overrides: Mapping[FleetPart, str] | None = None) -> None:
        self.folder = f"{repo.rstrip('/')}/.superloop/ops-manager/fleet"
        self._paths: dict[FleetPart, str] = {
            part: f"{self.folder}/{part.value}" for part in (*FleetDocument, *FleetLog, *FleetReport)
        }
        if overrides:
            self._paths.update(overrides)

    def lock(self, *, wait_s: float) -> AbstractContextManager[None]:
        """See :meth:`FleetStore.lock`."""
        return self._held(".lock", "another process works on this fleet", wait_s)

    def controller_lock(self, *, wait_s: float) -> AbstractContextManager[None]:
        """See :meth:`FleetStore.controller_lock`."""
        return self._held(".promotion-controller.lock", "another promotion controller runs", wait_s)

    @contextmanager
    def _held(self, name: str, who: str, wait_s: float) -> Iterator[None]:
        try:
            held = locks.acquire(f"{self.folder}/{name}", wait_s=wait_s)
        except LockTimeoutError as error:
            raise LockTimeoutError(f"{who} and holds {self.folder}/{name}; gave up after {wait_s:g} s") from error
        try:
            yield
        finally:
            locks.release(held)

    def key_records(self) -> KeyRecords:
        """What became of the requests to the control API that carried a key."""
        return KeyRecords(f"{self.folder}/api-keys")

    def location(self, part: FleetPart) -> str:
        """The path of the file, absolute for defaults and as given for path flags."""
        return self._paths[part]

    def read(self, part: FleetPart, start: int = 0) -> bytes | None:
        """See :meth:`FleetStore.read`."""
        return files.read_bytes(self._paths[part], start)

    def newest_row(self, log: FleetLog) -> JsonObject | None:
        """See :meth:`FleetStore.newest_row`."""
        return tail.newest_row(self._paths[log])

    def exists(self, part: FleetPart) -> bool:
        """See :meth:`FleetStore.exists`."""
        return self.signature(part) is not None

    def signature(self, part: FleetPart) -> files.Signature | None:
        """See :meth:`FleetStore.signature`."""
        return files.signature(self._paths[part])

    def origin(self, part: FleetPart) -> tuple[str | None, str | None]:
        """See :meth:`FleetStore.origin`."""
        return files.origin(self._paths[part])

    def prepare(self, *parts: FleetPart) -> None:
        """See :meth:`FleetStore.prepare`."""
        for part in parts:
            files.make_parent(self._paths[part])

    def append(self, log: FleetLog, rows: Sequence[JsonObject], *, durable: bool = False, rotate_over: int = 0) -> None:
        """See :meth:`FleetStore.append`."""
        row_files.append_lines(self._paths[log], _lines(rows), durable=durable, rotate_over=rotate_over)

    def drop_torn_row(self, log: FleetLog) -> None:
        """See :meth:`FleetStore.drop_torn_row`."""
        row_files.cut_torn_line(self._paths[log], jsoncodec.is_json)

    def append_audited(self, log: FleetLog, rows: Sequence[JsonObject], *, wait_s: float | None = None) -> None:
        """See :meth:`FleetStore.append_audited`."""
        with nullcontext() if wait_s is None else self._own_lock(log, wait_s):
            audit_chain.append_audited(self._paths[log], rows)

    def lines_backwards(self, log: FleetLog) -> Iterator[bytes]:
        """See :meth:`FleetStore.lines_backwards`."""
        return tail.lines_backwards(self._paths[log])

    def journal(self, log: FleetLog) -> RunJournal:
        """A file beside the log's."""
        return RunJournal(f"{self._paths[log].removesuffix('.jsonl')}-journal.jsonl")

    def editing(self, document: FleetDocument, *, wait_s: float) -> AbstractContextManager[None]:
        """The lock of :class:`SharedDocument`, so that both ways of editing exclude each other."""
        return self.shared(document, durable=True).held(wait_s=wait_s)

    def replace_text(self, document: FleetDocument, text: bytes) -> None:
        """See :meth:`FleetStore.replace_text`."""
        files.replace_file(self._paths[document], text, durable=True)

    def size(self, log: FleetLog) -> int:
        """See :meth:`FleetStore.size`."""
        found = self.signature(log)
        return 0 if found is None else found[1]

    def begin_anew(self, log: FleetLog, rows: Sequence[JsonObject]) -> None:
        """See :meth:`FleetStore.begin_anew`."""
        row_files.begin_anew(self._paths[log], _lines(rows))

    def follower(self, log: FleetLog, fold: Fold, *, what: str) -> LogFollower:
        """See :meth:`FleetStore.follower`."""
        return LogFollower(self._paths[log], fold, what=what)

    def replace(self, document: FleetDocument, value: JsonObject) -> None:
        """See :meth:`FleetStore.replace`."""
        files.replace_file(self._paths[document], jsoncodec.dumps(value) + b"\n", durable=True)

    def publish(self, document: FleetDocument, log: FleetLog, value: JsonObject, *, wait_s: float) -> None:
        """See :meth:`FleetStore.publish`."""
        self.prepare(document, log)
        with self._own_lock(log, wait_s):
            self.drop_torn_row(log)
            self.append(log, [value], durable=True)
            self.replace(document, value)

    def _own_lock(self, log: FleetLog, wait_s: float) -> AbstractContextManager[None]:
        folder, name = os.path.split(self._paths[log])
        return locks.exclusive(os.path.join(folder, f".{name}.lock"), wait_s=wait_s, busy="another run writes this log")

    def replace_report(self, report: FleetReport, text: str) -> None:
        """See :meth:`FleetStore.replace_report`."""
        files.replace_file(self._paths[report], text.encode("utf-8", "backslashreplace"), durable=True)

    def remove(self, part: FleetPart) -> None:
        """See :meth:`FleetStore.remove`."""
        files.remove_file(self._paths[part])

    def shared(self, document: FleetDocument, *, durable: bool) -> SharedDocument:
        """A document that is changed outside of the fleet's passes, by many processes: it has a lock of its own."""
        return SharedDocument(self._paths[document], durable=durable)


def _lines(rows: Sequence[JsonObject]) -> bytes:
    return b"".join(jsoncodec.dumps(row) + b"\n" for row in rows)

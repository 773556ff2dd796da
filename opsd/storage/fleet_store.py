"""What the manager keeps of a fleet, and the one way to it (contract 00, *Manager Persistence Paths*; 60 to 95).

Like :mod:`opsd.storage.store` for one loop: rooms above speak of :class:`FleetDocument` and :class:`FleetLog`; where
they live is this module's business. Everything that reads, decides and writes does so under :meth:`FleetStore.lock`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import audit_chain, files, locks, tail
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart, FleetReport
from opsd.storage.follow import Fold, LogFollower
from opsd.storage.run_journal import RunJournal
from opsd.storage.shared_document import SharedDocument


class FleetStore(Protocol):
    """The persistence of one fleet. Blocking."""

    def lock(self, *, wait_s: float) -> AbstractContextManager[None]:
        """A context manager: nobody else reads, decides and writes meanwhile.

        Raises:
            LockTimeoutError: somebody else held it for ``wait_s`` seconds.
        """
        ...

    def controller_lock(self, *, wait_s: float) -> AbstractContextManager[None]:
        """A context manager: no other promotion controller of this fleet runs meanwhile.

        Not :meth:`lock`, which the steps that a controller starts take themselves.

        Raises:
            LockTimeoutError: another one held it for ``wait_s`` seconds.
        """
        ...

    def location(self, part: FleetPart) -> str:
        """How the contract's documents name the place of a part."""
        ...

    def read(self, part: FleetPart, start: int = 0) -> bytes | None:
        """The bytes of a part from byte ``start`` on; None when it does not exist."""
        ...

    def newest_row(self, log: FleetLog) -> JsonObject | None:
        """The object in a log's last line; None when there is none, or when the line holds anything else.

        A last line that a crash tore (no newline, no JSON) hides no row: the line before it counts then.
        """
        ...

    def exists(self, part: FleetPart) -> bool:
        """True when there is a part to read."""
        ...

    def signature(self, part: FleetPart) -> files.Signature | None:
        """Differs after every write, also one of the same bytes; None when there is no part to read."""
        ...

    def origin(self, part: FleetPart) -> tuple[str | None, str | None]:
        """Who owns a part and when it was last changed (wire timestamp), as far as the system tells."""
        ...

    def prepare(self, *parts: FleetPart) -> None:
        """Create the folders that the parts lie in."""
        ...

    def drop_torn_row(self, log: FleetLog) -> None:
        """Cut off a last line that a crash left incomplete; one that only lacks its newline stays.

        Raises:
            ManagerFileError: it could not be cut.
        """
        ...

    def append_audited(self, log: FleetLog, rows: Sequence[JsonObject], *, wait_s: float | None = None) -> None:
        """Append rows to a hash chain, synced; an empty sequence creates the log.

        ``wait_s`` is for logs that are written outside of :meth:`lock`: it is done under a lock of the log's own then.

        Raises:
            LockTimeoutError: others held that lock for ``wait_s`` seconds.
            ManagerFileError: they could not be written.
        """
        ...

    def lines_backwards(self, log: FleetLog) -> Iterator[bytes]:
        """The lines of a log, newest first; see :func:`opsd.storage.tail.lines_backwards`."""
        ...

    def journal(self, log: FleetLog) -> RunJournal:
        """The write-ahead journal of the runs that end in a row of ``log``."""
        ...

    def editing(self, document: FleetDocument, *, wait_s: float) -> AbstractContextManager[None]:
        """A context manager: nobody else edits the document meanwhile. Held for a moment, unlike :meth:`lock`.

        Raises:
            LockTimeoutError: others held it for ``wait_s`` seconds.
        """
        ...

    def replace_text(self, document: FleetDocument, text: bytes) -> None:
        """:meth:`replace` by a JSON text that is written already, for a document in its owner's own layout.

        Raises:
            ManagerFileError: it could not be written.
        """
        ...

    def size(self, log: FleetLog) -> int:
        """Bytes of a log, 0 when there is none."""
        ...

    def begin_anew(self, log: FleetLog, rows: Sequence[JsonObject]) -> None:
        """Put a log aside as ``<log>.1``, in place of a former one, and begin it again with ``rows``.

        At every moment the log is the whole old or the whole new one. Where it cannot be put aside it stays as it is.

        Raises:
            ManagerFileError: the new one could not be written.
        """
        ...

    def follower(self, log: FleetLog, fold: Fold, *, what: str) -> LogFollower:
        """Feeds ``fold`` with the log's rows, at each call with those that are new; ``what`` names it in errors."""
        ...

    def append(self, log: FleetLog, rows: Sequence[JsonObject], *, durable: bool = False, rotate_over: int = 0) -> None:
        """Append rows in one write; an empty sequence creates the log. ``durable`` syncs before it returns.

        With ``rotate_over`` a log that has grown beyond that many bytes is put aside first, as ``<log>.1``.

        Raises:
            ManagerFileError: they could not be written.
        """
        ...

    def replace(self, document: FleetDocument, value: JsonObject) -> None:
        """Put a document in place of the former one, atomically and synced.

        Raises:
            ManagerFileError: it could not be written.
        """
        ...

    def publish(self, document: FleetDocument, log: FleetLog, value: JsonObject, *, wait_s: float) -> None:
        """Append ``value`` to a log and put it in place of a document, both under a lock of the log's own.

        The row goes first: whatever the document says is in the log too. A row that a crash tore is cut off before.

        Raises:
            LockTimeoutError: others held the log for ``wait_s`` seconds.
            ManagerFileError: one of them could not be written.
        """
        ...

    def replace_report(self, report: FleetReport, text: str) -> None:
        """Put a report in place of the former one, atomically.

        Raises:
            ManagerFileError: it could not be written.
        """
        ...

    def remove(self, part: FleetPart) -> None:
        """Remove a part; nothing happens when there is none.

        Raises:
            ManagerFileError: it is still there.
        """
        ...


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
        files.append_lines(self._paths[log], _lines(rows), durable=durable, rotate_over=rotate_over)

    def drop_torn_row(self, log: FleetLog) -> None:
        """See :meth:`FleetStore.drop_torn_row`."""
        files.cut_torn_line(self._paths[log], _parses)

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
        files.begin_anew(self._paths[log], _lines(rows))

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


def _parses(line: bytes) -> bool:
    try:
        jsoncodec.loads(line)
    except ValueError:
        return False
    return True

"""What the manager keeps of a fleet, as the rooms above ask for it.

Like ``LoopStore`` for one loop: they speak of :class:`FleetDocument` and :class:`FleetLog`; where these live is the
business of :mod:`opsd.storage.fleet_store`. Everything that reads, decides and writes does so under
:meth:`FleetStore.lock`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from opsd.contract.jsoncodec import JsonObject
from opsd.storage.files import Signature
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart, FleetReport
from opsd.storage.follow import Fold, LogFollower
from opsd.storage.run_journal import RunJournal


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

    def signature(self, part: FleetPart) -> Signature | None:
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

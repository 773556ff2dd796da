"""The files of one loop's alert delivery (contract 50, 4 and 12; those marked L lie beside the dispatch state).

Blocking. One run at a time, under :meth:`AlertStore.lock`. What has to survive a power loss before a request may leave
(intents, outcomes, dead letters, the state) is synced; telemetry is not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, locks, row_files
from opsd.storage.store import parse_document, parse_row

#: Telemetry is put aside as ``<file>.1`` once it is larger (W16); a reader of its end goes on reading there.
_ROTATE_OVER = 16 * 1024 * 1024
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class AlertPaths:
    """Where one loop's alert files are; ``artifacts`` are the loop's documents by name, for recoveries."""

    escalations: str
    state: str
    telemetry: str
    artifacts: dict[str, str]

    @property
    def folder(self) -> str:
        """What the files marked L lie in."""
        return os.path.dirname(self.state) or "."

    def beside(self, name: str) -> str:
        """A file beside the state."""
        return os.path.join(self.folder, name)


@dataclass(frozen=True, slots=True)
class Position:
    """How far the escalations are read: lines and bytes, and which file that was (W16, W17)."""

    line: int = 0
    byte: int = 0
    inode: int = 0
    first_line: str = ""


@dataclass(frozen=True, slots=True)
class NewRows:
    """What lies behind a position.

    ``lines`` are the complete lines behind it, at most as many as were asked for; ``line_count`` those of the whole
    file; ``tail`` tells of an unterminated last line; ``replaced`` that the file is another one than before.
    """

    lines: list[bytes]
    line_count: int
    position: Position
    tail: bool
    replaced: bool = False


class AlertStore:
    """One loop's alert files."""

    def __init__(self, paths: AlertPaths) -> None:
        self.paths = paths
        self.lock_file = paths.beside("alert-dispatch.lock")
        self.outbox_file = paths.beside("alert-outbox.jsonl")
        self.incidents_file = paths.beside("alert-incidents.json")
        self.dead_letter_file = paths.beside("alert-dead-letter.jsonl")
        self.attempts_file = os.path.join(os.path.dirname(paths.telemetry) or ".", "alert-deliveries.jsonl")
        #: Something was appended to the journal through this object.
        self.journal_has_grown = False

    def lock(self, *, wait_s: float) -> int:
        """Take the dispatch lock (R6); give what it returns to :func:`opsd.storage.locks.release`.

        Raises:
            LockTimeoutError: another run held it for ``wait_s`` seconds.
        """
        return locks.acquire(self.lock_file, wait_s=wait_s)

    def prepare(self) -> None:
        """Create the folders of state and telemetry (4.1)."""
        files.make_parent(self.paths.state)
        files.make_parent(self.paths.telemetry)

    def read_state(self) -> JsonObject | None:
        """The dispatch state, empty for null; None when the file is absent or has no content.

        Raises:
            ManagerFileError: ``invalid dispatch state JSON: <path>``.
        """
        data = files.read_bytes(self.paths.state)
        if data is None or not data.strip():
            return None
        document = parse_document(data)
        if document is None:
            raise ManagerFileError(f"invalid dispatch state JSON: {self.paths.state}")
        return document

    def state_is_empty(self) -> bool:
        """The state file exists without content."""
        data = files.read_bytes(self.paths.state)
        return data is not None and not data.strip()

    def replace_state(self, state: JsonObject) -> None:
        """Put the state in place of the former one, synced."""
        files.replace_file(self.paths.state, jsoncodec.dumps(state) + b"\n", durable=True)

    def read_rows(self, start: Position, limit: int) -> NewRows | None:
        """Complete lines behind ``start``, at most ``limit`` of them; None without a file.

        Reads only what is new as long as ``start`` fits the file: same first line, and a line ends at its byte.
        """
        try:
            descriptor = os.open(self.paths.escalations, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if files.signature(self.paths.escalations) is None:
            os.close(descriptor)
            return None
        with open(descriptor, "rb", buffering=0):
            status = os.fstat(descriptor)
            identity = _first_line(descriptor)
            known = bool(start.first_line)
            replaced = known and identity != start.first_line
            line, byte = (0, 0) if replaced else (start.line, start.byte)
            fits = known and not replaced and 0 < byte <= status.st_size and os.pread(descriptor, 1, byte - 1) == b"\n"
            if not fits:
                byte = _end_of_line(descriptor, line)
                if byte < 0:
                    _none, count, tail = _read_lines(descriptor, 0, -1)
                    return NewRows([], count, Position(line, 0, status.st_ino, identity), tail, replaced)
            rows, count, tail = _read_lines(descriptor, byte, limit)
            end = Position(line + len(rows), byte + sum(len(row) + 1 for row in rows), status.st_ino, identity)
            return NewRows(rows, line + count, end, tail, replaced)

    def read_outbox(self) -> list[JsonObject]:
        """The journal's whole lines, oldest first; a torn last line is not there yet."""
        data = files.read_bytes(self.outbox_file) or b""
        return [parse_row(line) for line in data.split(b"\n")[:-1] if line]

    def append_outbox(self, lines: list[JsonObject], *, durable: bool = True) -> None:
        """Append to the journal; on disk when this returns, if ``durable``."""
        if lines:
            self.journal_has_grown = True
            row_files.append_lines(self.outbox_file, _encode(lines), durable=durable)

    def replace_outbox(self, lines: list[JsonObject]) -> None:
        """Compact the journal to ``lines``; none: remove it."""
        if lines:
            files.replace_file(self.outbox_file, _encode(lines), durable=True)
        else:
            files.remove(self.outbox_file)

    def read_incidents(self) -> JsonObject:
        """The ledger of incidents; empty when there is none or it is damaged (it is kept aside then)."""
        data = files.read_bytes(self.incidents_file)
        document = parse_document(data)
        if data is not None and document is None:
            files.set_aside(self.incidents_file)
        return document or {}

    def replace_incidents(self, ledger: JsonObject) -> None:
        """Put the ledger in place of the former one, synced."""
        files.replace_file(self.incidents_file, jsoncodec.dumps(ledger) + b"\n", durable=True)

    def append_telemetry(self, rows: list[JsonObject]) -> None:
        """Append to ``telemetry/alerts.jsonl``."""
        if rows:
            row_files.append_lines(self.paths.telemetry, _encode(rows), rotate_over=_ROTATE_OVER)

    def append_attempts(self, rows: list[JsonObject]) -> None:
        """Append to ``telemetry/alert-deliveries.jsonl`` (R20)."""
        if rows:
            row_files.append_lines(self.attempts_file, _encode(rows), rotate_over=_ROTATE_OVER)

    def append_dead_letters(self, rows: list[JsonObject]) -> None:
        """Append to ``alert-dead-letter.jsonl``, synced (R11)."""
        if rows:
            row_files.append_lines(self.dead_letter_file, _encode(rows), durable=True)

    def read_dead_letters(self) -> list[JsonObject]:
        """All rows of the dead letter file, replays included."""
        data = files.read_bytes(self.dead_letter_file) or b""
        return [row for line in data.split(b"\n")[:-1] if (row := parse_row(line))]

    def read_artifact(self, name: str) -> JsonObject:
        """A document of the loop, by its name; empty when it is missing or unreadable."""
        path = self.paths.artifacts.get(name)
        return (parse_document(files.read_bytes(path)) if path else None) or {}


def _encode(rows: list[JsonObject]) -> bytes:
    return b"".join(jsoncodec.dumps(row) + b"\n" for row in rows)


def _first_line(descriptor: int) -> str:
    """What tells one file from another: the digest of its first line; empty while it has none."""
    head = os.pread(descriptor, _BLOCK, 0)
    line, newline, _rest = head.partition(b"\n")
    if not newline and len(head) < _BLOCK:
        return ""
    return sha256(line).hexdigest()


def _end_of_line(descriptor: int, number: int) -> int:
    """The byte behind line ``number``; -1 when there are fewer lines."""
    position, left = 0, number
    while left:
        block = os.pread(descriptor, _BLOCK, position)
        if not block:
            return -1
        count = block.count(b"\n")
        if count < left:
            left -= count
            position += len(block)
            continue
        cut = -1
        for _ in range(left):
            cut = block.index(b"\n", cut + 1)
        return position + cut + 1
    return position


def _read_lines(descriptor: int, position: int, limit: int) -> tuple[list[bytes], int, bool]:
    """At most ``limit`` complete lines from a byte on, how many there are, and whether an unterminated one follows."""
    lines: list[bytes] = []
    parts: list[bytes] = []
    count, tail = 0, False
    while block := os.pread(descriptor, _BLOCK, position):
        position += len(block)
        tail = not block.endswith(b"\n")
        if len(lines) >= limit:
            count += block.count(b"\n")
            continue
        *complete, rest = block.split(b"\n")
        if complete:
            complete[0] = b"".join([*parts, complete[0]])
            parts = []
            count += len(complete)
            lines += complete[: limit - len(lines)]
        parts.append(rest)
    return lines, count, tail

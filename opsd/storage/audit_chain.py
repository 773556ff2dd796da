"""Audit logs: append-only, durable, readable by their owner only, and chained by hash (contract 70, weakness 16).

The caller holds a lock that excludes other writers. The order is: head (when the log begins), rows synced, head synced;
:mod:`.audit_verify` says what can be told of a log from that. What does not fit is never papered over: a row is always
appended, linked to what the head remembers, so that a cut or an edit stays visible for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import BufferedReader

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, row_files
from opsd.storage.audit_verify import (
    LINK,
    ChainReport,
    Head,
    decode_head,
    encode_head,
    link_of,
    row_hash,
    verify_chain,
)

_MODE = 0o600


def head_file(path: str) -> str:
    """Where the head of the log at ``path`` is kept."""
    return f"{path}.head.json"


def append_audited(path: str, rows: Sequence[JsonObject]) -> None:
    """Append rows to the chain; they and the head are on disk when this returns. No rows: the log is created.

    Raises:
        ManagerFileError: they could not be written.
    """
    row_files.cut_torn_line(path, _is_row)
    if not rows:
        row_files.append_lines(path, b"", mode=_MODE)
        return
    head = _current_head(path)
    link, data = head.last_row_hash, bytearray()
    for row in rows:
        line = jsoncodec.dumps({**row, LINK: link})
        data += line + b"\n"
        link = row_hash(line)
    _inode, size, _mtime = row_files.append_lines(path, bytes(data), durable=True, mode=_MODE)
    _write_head(path, head._replace(rows=head.rows + len(rows), last_row_hash=link, size=size))


def verify(path: str) -> ChainReport | None:
    """Check the log at ``path``; None when there is none and no head speaks of one."""
    head_data = files.read_bytes(head_file(path))  # before the log: an append meanwhile only adds rows behind it
    head = None if head_data is None else decode_head(head_data)
    if head_data is None and files.signature(path) is None:
        return None
    return verify_chain(_lines(path), head, head_readable=head_data is None or head is not None)


def _current_head(path: str) -> Head:
    """The head that the next row is linked to."""
    data = files.read_bytes(head_file(path))
    head = None if data is None else decode_head(data)
    if head is None:
        return _begin(path, lost=data is not None)
    found = files.signature(path)
    size = 0 if found is None else found[1]
    if size > head.size:
        return _beyond(path, head)
    if size < head.size:  # cut; the next row stays linked to what was there
        return head._replace(rows=_count(path))
    return head


def _begin(path: str, *, lost: bool) -> Head:
    """The first head of a log; one whose head is lost gets a new one that says so."""
    prefix, rows, chained, last = hashlib.sha256(), 0, False, ""
    for line in _lines(path):
        rows += 1
        text = line.removesuffix(b"\n")
        last = row_hash(text)
        prefix.update(text + b"\n")
        try:
            chained = chained or link_of(text) is not None
        except ValueError:
            continue
    found = files.signature(path)
    head = Head(
        rows,
        last if chained else prefix.hexdigest(),
        0 if found is None else found[1],
        rows + 1 if chained or lost else 0,
    )
    files.make_parent(path)
    _write_head(path, head)
    return head


def _beyond(path: str, head: Head) -> Head:
    """The head moved over rows that follow it: a crash fell between them and the head's own writing."""
    link, rows = head.last_row_hash, head.rows
    with open(path, "rb") as file:
        file.seek(head.size)
        for line in file:
            text = line.removesuffix(b"\n")
            if not text:  # the newline that closed the last row
                continue
            try:
                follows = link_of(text) == link
            except ValueError:
                follows = False
            if not follows:  # edited, or written past the chain; stays visible as above
                return head._replace(rows=_count(path), last_row_hash=link)
            rows += 1
            link = row_hash(text)
    return head._replace(rows=rows, last_row_hash=link)


def _count(path: str) -> int:
    return sum(1 for _line in _lines(path))


def _lines(path: str) -> Iterator[bytes]:
    try:
        file = files.open_regular(path)
        if file is not None:
            with BufferedReader(file) as lines:
                yield from lines
    except OSError as error:
        raise ManagerFileError(f"cannot read {path}: {error.strerror}") from error


def _write_head(path: str, head: Head) -> None:
    files.replace_file(head_file(path), encode_head(head), durable=True, mode=_MODE)


def _is_row(line: bytes) -> bool:
    try:
        link_of(line)
    except ValueError:
        return False
    return True

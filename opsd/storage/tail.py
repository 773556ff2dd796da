"""The newest rows of a JSONL file, read from its end: the cost follows the window, not the file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.files import open_regular

_BLOCK = 64 * 1024


def tail_lines(path: str, count: int) -> list[bytes]:
    """The last ``count`` complete lines, oldest first, blank ones included; an unterminated last one is left out.

    A log that was put aside for its size is read on from ``<path>.1``.
    """
    lines = _tail_of_one(path, count)
    if len(lines) < count:
        lines = _tail_of_one(f"{path}.1", count - len(lines)) + lines
    return lines


def _tail_of_one(path: str, count: int) -> list[bytes]:
    file = open_regular(path)
    if file is None:
        return []
    with file:
        position = file.seek(0, os.SEEK_END)
        blocks: list[bytes] = []
        newlines = 0
        while position > 0 and newlines <= count:
            start = max(0, position - _BLOCK)
            block = os.pread(file.fileno(), position - start, start)
            newlines += block.count(b"\n")
            blocks.append(block)
            position = start
    lines = b"".join(reversed(blocks)).split(b"\n")[:-1]  # behind the last newline there is nothing, or a torn line
    if position > 0 and len(lines) <= count:
        lines = lines[1:]  # begins in the middle of a line
    return lines[-count:]


def last_complete_line(path: str) -> bytes:
    """The last newline-terminated line of a file, empty when there is none or it is empty. Reads only the tail."""
    file = open_regular(path)
    if file is None:
        return b""
    with file:
        position = end = file.seek(0, os.SEEK_END)
        tail = b""
        while position > 0:
            start = max(0, position - 8192)
            tail = os.pread(file.fileno(), position - start, start) + tail
            position = start
            complete = tail.rfind(b"\n")
            cut = tail.rfind(b"\n", 0, complete) if complete > 0 else -1
            if cut >= 0 or (complete >= 0 and position == 0):
                return tail[cut + 1 : complete]
            if end - position > 16 * 1024 * 1024:
                break
    return b""


def lines_backwards(path: str) -> Iterator[bytes]:
    """Every line that is not blank, newest first, without its newline; an unterminated last one is a line too.

    A log that was put aside is read on from ``<path>.1``. Memory holds one block and one line, whatever the file.
    """
    for name in (path, f"{path}.1"):
        yield from _lines_of_one_backwards(name)


def _lines_of_one_backwards(path: str) -> Iterator[bytes]:
    file = open_regular(path)
    if file is None:
        return
    with file:  # also when the reader stops early
        position = file.seek(0, os.SEEK_END)
        rest: list[bytes] = []  # the blocks, last one first, of a line whose beginning was not read yet
        while position > 0:
            start = max(0, position - _BLOCK)
            block = os.pread(file.fileno(), position - start, start)
            position = start
            first, *complete = block.split(b"\n")
            if complete:
                complete[-1] += b"".join(reversed(rest))
                yield from (line for line in reversed(complete) if line.strip())
                rest = []
            rest.append(first)
        line = b"".join(reversed(rest))
        if line.strip():
            yield line


def tail_rows(path: str, window: int) -> list[JsonObject]:
    """The objects in the last ``window`` complete lines; blank lines give no row, null an empty one (contract 40, 4.2).

    Raises:
        ManagerFileError: a line that is not an object, named by its number.
    """
    lines = tail_lines(path, window)
    rows: list[JsonObject] = []
    for back, line in enumerate(reversed(lines)):
        if not line.strip():
            continue
        try:
            value = jsoncodec.loads(line)
        except ValueError:
            raise ManagerFileError(f"invalid JSON row at line {_number(path, back)} of {path}") from None
        if value is not None and not isinstance(value, dict):
            raise ManagerFileError(f"row at line {_number(path, back)} of {path} is not an object")
        rows.append(value or {})
    rows.reverse()
    return rows


def _number(path: str, back: int) -> str:
    """The number of the complete line ``back`` before the last one; counted only when somebody has to be told."""
    total = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            total += block.count(b"\n")
    return str(total - back) if back < total else f"-{back + 1}"


def newest_row(path: str) -> JsonObject | None:
    """The object in the last line; None for an absent or empty file and for anything else in that line (75, 3).

    A last line without newline counts if it is JSON. If not, a crash tore it, and the line before it is the last one.
    Only the tail is read, as far back as those two lines reach.
    """
    torn, complete = _last_two(path)
    for line in (torn, complete):
        if line is not None:
            try:
                value = jsoncodec.loads(line)
            except ValueError:
                continue
            return value if isinstance(value, dict) else None
    return None


def _last_two(path: str) -> tuple[bytes | None, bytes | None]:
    """The text behind the last newline (None when empty), and the last complete line (None without one)."""
    file = open_regular(path)
    if file is None:
        return None, None
    with file:
        position = file.seek(0, os.SEEK_END)
        blocks: list[bytes] = []
        newlines = 0
        while position > 0 and newlines < 2:
            start = max(0, position - _BLOCK)
            blocks.append(os.pread(file.fileno(), position - start, start))
            newlines += blocks[-1].count(b"\n")
            position = start
    *complete, rest = b"".join(reversed(blocks)).split(b"\n")
    return rest or None, complete[-1] if complete else None

"""Following a JSONL file: each call reads what was appended since the call before, whatever the file's size.

A row is any JSON value of the stream that the file is (contract 70, 2 steps 10 and 11): usually one object to a line,
but a value may also stretch over lines or share one. ``null`` is no row. A last line without its newline counts when
it parses and is left for later when it does not; anything else that does not parse stops the reader, which then knows
nothing and begins anew at its next call.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from stat import S_ISREG
from typing import NamedTuple, Protocol

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue

_BLOCK = 4 * 1024 * 1024
#: So many bytes before the mark are compared to tell a file that was replaced from one that grew.
_GUARD = 256


class Fold(Protocol):
    """What is kept of the rows."""

    def reset(self) -> None:
        """Forget everything: the file is read from its start."""
        ...

    def add(self, row: JsonObject) -> None:
        """Take in one row.

        Raises:
            ValueError: the row cannot be used.
        """
        ...


class _Mark(NamedTuple):
    """How far the file has been read: its inode, the offset, and the bytes just before it."""

    inode: int
    offset: int
    guard: bytes


class LogFollower:
    """Feeds a fold with the rows of one file. Not for several threads at a time."""

    def __init__(self, path: str, fold: Fold, *, what: str) -> None:
        self.path = path
        #: The last :meth:`catch_up` left the end of the file for later, because it does not parse.
        self.torn = False
        self._fold = fold
        self._what = what
        self._mark: _Mark | None = None

    def catch_up(self) -> None:
        """Read what is new; a missing file has no rows.

        Raises:
            ManagerFileError: ``invalid <what> JSONL: <path>``.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            self.forget()
            return
        try:
            found = os.fstat(descriptor)
            if not S_ISREG(found.st_mode):
                self.forget()
                return
            if not self._grew(descriptor, found):
                self.forget()
            start = 0 if self._mark is None else self._mark.offset
            end = _take(descriptor, start, self._fold.add)
            guard = os.pread(descriptor, min(_GUARD, end), max(0, end - _GUARD))
            self._mark = _Mark(found.st_ino, end, guard)
            self.torn = end < found.st_size  # not what another process has appended meanwhile
        except ValueError:
            self.forget()
            raise ManagerFileError(f"invalid {self._what} JSONL: {self.path}") from None
        except BaseException:  # rows may have been taken in that the mark does not stand for
            self.forget()
            raise
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Begin at the file's start at the next call."""
        self._mark = None
        self.torn = False
        self._fold.reset()

    def _grew(self, descriptor: int, found: os.stat_result) -> bool:
        mark = self._mark
        if mark is None or found.st_ino != mark.inode or found.st_size < mark.offset:
            return False
        return os.pread(descriptor, len(mark.guard), mark.offset - len(mark.guard)) == mark.guard


def _take(descriptor: int, offset: int, add: Callable[[JsonObject], None]) -> int:
    """Feed every row from ``offset`` on; the offset behind the last one."""
    rest = b""
    while True:
        block = os.pread(descriptor, _BLOCK, offset + len(rest))
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        for number, line in enumerate(lines):
            try:
                value = jsoncodec.loads_unchecked(line)
            except ValueError:
                if not line.strip():
                    value = None
                else:
                    following = b"\n".join([*lines[number:], rest])
                    return _take_stream(descriptor, offset, following, add)
            _add(value, add)
            offset += len(line) + 1
    if rest.strip():
        try:
            values = list(_values(rest))
        except ValueError:
            return offset
        for value in values:
            _add(value, add)
    return offset + len(rest)


def _take_stream(descriptor: int, offset: int, read: bytes, add: Callable[[JsonObject], None]) -> int:
    """What does not stand one value to a line; ``read`` begins at ``offset``. Rare, so in one piece."""
    parts, size = [read], len(read)
    while block := os.pread(descriptor, _BLOCK, offset + size):
        parts.append(block)
        size += len(block)
    data = b"".join(parts)
    whole = data[: data.rfind(b"\n") + 1]
    try:
        values = list(_values(data))
    except ValueError:
        values, data = list(_values(whole)), whole
    for value in values:
        _add(value, add)
    return offset + len(data)


def _values(data: bytes) -> Iterator[JsonValue]:
    """The JSON values that follow one another in ``data``."""
    text = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    position = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        if position == len(text):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None
        yield value


def _add(value: JsonValue, add: Callable[[JsonObject], None]) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise ValueError("a row is not an object")
    add(value)

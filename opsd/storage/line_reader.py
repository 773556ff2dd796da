"""Reading a file that somebody may still be writing, by lines and within limits (contract 97, weaknesses 7 and 15)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Final


class Patience:
    """How long a run waits, all in all, for writers to finish a last line, in seconds."""

    def __init__(self, seconds: float, step_s: float = 0.01) -> None:
        self._left_s = seconds
        self._step_s = step_s

    def wait_for_growth(self, descriptor: int, size: int) -> bool:
        """True as soon as the file is larger than ``size`` bytes, False when patience is at its end."""
        while os.fstat(descriptor).st_size <= size:
            if self._left_s <= 0:
                return False
            time.sleep(self._step_s)
            self._left_s -= self._step_s
        return True


class LineReader:
    """Reads a file line by line and remembers how far it came.

    Args:
        descriptor: the file; it stays open.
        max_line_bytes: of a longer line only its beginning is kept, which is longer than this too.
        max_bytes: reading ends behind this many bytes; ``cut_off`` is True then.

    ``size`` is how many bytes of the file were taken in.
    """

    _BLOCK: Final = 256 * 1024

    def __init__(self, descriptor: int, *, max_line_bytes: int, max_bytes: int) -> None:
        self._descriptor = descriptor
        self._keep = max_line_bytes + 1
        self._max_bytes = max_bytes
        self.size = 0
        self.cut_off = False

    def lines(self, is_whole: Callable[[bytes], bool], patience: Patience) -> Iterator[bytes]:
        """Every line without its newline; an unterminated last one too, unless its end arrives in time."""
        rest = b""
        while not self.cut_off:
            block = os.read(self._descriptor, self._BLOCK)
            if not block:
                if rest and not is_whole(rest) and patience.wait_for_growth(self._descriptor, self.size):
                    continue
                break
            self.size += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
            rest = rest[: self._keep]
            self.cut_off = self.size > self._max_bytes
        if self.cut_off:
            self.size = os.fstat(self._descriptor).st_size
        elif rest:
            yield rest

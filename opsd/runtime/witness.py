"""Are some files still as they were read? One stat each, and nothing around it: the hot path of an unchanged loop."""

from __future__ import annotations

import os
from collections.abc import Iterable

#: Inode, size and modification time of a file.
Signature = tuple[int, int, int]


class Witness:
    """What is remembered of the files that were read, the absent ones (no signature) included."""

    __slots__ = ("_absent", "_present")

    def __init__(self, files: Iterable[tuple[str, Signature | None]]) -> None:
        known = [(os.fsencode(path), signature) for path, signature in files]
        self._present = [(path, signature) for path, signature in known if signature is not None]
        self._absent = [path for path, signature in known if signature is None]

    def unchanged(self) -> bool:
        """True when every file has its signature, and those that were absent are."""
        try:
            for path, known in self._present:
                found = os.stat(path)
                if (found.st_ino, found.st_size, found.st_mtime_ns) != known:
                    return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        for path in self._absent:  # noqa: SIM110 - a generator costs more than what it would run
            if os.access(path, os.F_OK):  # half the cost of a stat that fails
                return False
        return True

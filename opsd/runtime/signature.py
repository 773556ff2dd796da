"""By what a file of the runtime is known to be the one that was read."""

from __future__ import annotations

import os
from stat import S_ISREG

Signature = tuple[int, int, int]
"""Inode, size and mtime in nanoseconds."""


def signature(path: str) -> Signature | None:
    """Of a regular file; None when there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else None

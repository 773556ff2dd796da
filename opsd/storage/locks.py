"""One writer per loop: an exclusive advisory lock over a whole pass (contract 20, weakness 1)."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opsd.contract.errors import LockTimeoutError, ManagerFileError

_STEP_S = 0.02
_BUSY = "another process works on this loop"


@contextmanager
def exclusive(path: str, *, wait_s: float, busy: str = _BUSY) -> Iterator[None]:
    """Hold the lock file ``path``, which is created when missing. ``busy`` tells a person who else may hold it.

    Two holders exclude each other also inside one process. The kernel releases the lock when its holder dies.

    Raises:
        LockTimeoutError: somebody else held it for ``wait_s`` seconds.
        ManagerFileError: the lock file cannot be opened, or not be locked.
    """
    descriptor = acquire(path, wait_s=wait_s, busy=busy)
    try:
        yield
    finally:
        release(descriptor)


def acquire(path: str, *, wait_s: float, busy: str = _BUSY) -> int:
    """:func:`exclusive` without the ``with``: a descriptor that holds the lock until it is closed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise ManagerFileError(f"cannot open lock file {path}: {error.strerror}") from error
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise LockTimeoutError(f"{busy} and holds {path}; gave up after {wait_s:g} s") from None
            time.sleep(_STEP_S)
        except OSError as error:  # a file system without locks, or one that has run out of them
            os.close(descriptor)
            raise ManagerFileError(f"cannot lock {path}: {error.strerror}") from error


def release(descriptor: int) -> None:
    """Give up what :func:`acquire` returned."""
    os.close(descriptor)

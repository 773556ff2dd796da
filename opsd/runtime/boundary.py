"""The one place where a runtime artifact is opened: nothing that lies outside of the loop's repo is read.

Whoever writes into a repo can put a link where an artifact belongs, or where its folder does; what it named would be
told, by its size and hash at least, to whoever may look at the loop. So it is asked what was really opened: a link
inside of the repo is followed, and the repo itself may be reached through links. A hard link is a file like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

from opsd.contract.errors import ArtifactError

#: An ``opener`` of :func:`open`, that is called with a path and flags.
Opener = Callable[[str, int], int]


class RepoBoundary:
    """The boundary of one repo, which is an absolute path."""

    __slots__ = ("_inside", "_repo")

    def __init__(self, repo: str) -> None:
        self._repo = repo
        self._inside = ""  # what the real path of everything inside begins with

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of an artifact. A pipe in its place is not waited for. An :data:`Opener`; blocking.

        Raises:
            ArtifactError: what was opened lies outside of the repo.
            OSError: it cannot be opened.
        """
        descriptor = open_file(path, flags)
        try:
            self._check(path, _real_path(descriptor, path))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check(self, path: str, real: str) -> None:
        if self._inside and real.startswith(self._inside):
            return
        self._inside = os.path.realpath(self._repo).rstrip("/") + "/"  # the repo may be reached by another way now
        if not real.startswith(self._inside):
            raise ArtifactError(f"artifact is a link out of the repo: {path}")


def open_file(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a file wherever it lies, as :meth:`RepoBoundary.open` otherwise."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _real_path(descriptor: int, path: str) -> str:
    """Where the file lies that was opened."""
    try:
        return os.readlink(str(descriptor), dir_fd=_own_descriptors(os.getpid()))
    except OSError:  # no /proc here
        return os.path.realpath(path)


@cache
def _own_descriptors(_process: int) -> int:
    """The folder in which the system says what each descriptor of this process is of; to go there costs the most."""
    return os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

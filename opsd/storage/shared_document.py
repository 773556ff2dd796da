"""A document that several processes read, change and write again, each change under the document's own lock.

For what all loops of a repo share outside of a pass (contract 50, R9, R10 and R13): its lock is held for the moment
of one change, so that nobody waits for a pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, locks

Answer = TypeVar("Answer")


class Shared(Protocol):
    """The seam: one document, wherever it lives. Blocking."""

    @property
    def location(self) -> str:
        """How a message names its place."""
        ...

    def read(self) -> bytes | None:
        """Its bytes; None when it does not exist."""
        ...

    def update(self, change: Callable[[bytes | None], tuple[JsonObject | None, Answer]], *, wait_s: float) -> Answer:
        """Read it, replace it by what ``change`` returns first (None: leave it), give back what it returns second.

        What ``change`` raises leaves the document as it is.

        Raises:
            LockTimeoutError: others held it for ``wait_s`` seconds.
            ManagerFileError: it could not be written.
        """
        ...


class SharedDocument:
    """A file.

    Args:
        durable: sync every change to disk; without it a power loss may take the last ones back.
        mode: permission bits of a new file before the umask; one that is there keeps its own, and its owner.
        for_people: indented, for people who edit it by hand.
    """

    def __init__(self, path: str, *, durable: bool, mode: int | None = None, for_people: bool = False) -> None:
        self._path = path
        self._durable = durable
        self._mode = mode
        self._for_people = for_people
        folder, name = os.path.split(path)
        self._lock_path = os.path.join(folder, f".{name}.lock")

    @property
    def location(self) -> str:
        """See :class:`Shared`."""
        return self._path

    def read(self) -> bytes | None:
        """See :class:`Shared`."""
        return files.read_bytes(self._path)

    def update(self, change: Callable[[bytes | None], tuple[JsonObject | None, Answer]], *, wait_s: float) -> Answer:
        """See :class:`Shared`."""
        with self.held(wait_s=wait_s):
            document, answer = change(self.read())
            if document is not None:
                data = (jsoncodec.dumps_pretty if self._for_people else jsoncodec.dumps)(document) + b"\n"
                if self._mode is None:
                    files.replace_file(self._path, data, durable=self._durable)
                else:
                    files.replace_file(self._path, data, durable=self._durable, mode=self._mode, keep_owner=True)
            return answer

    @contextmanager
    def held(self, *, wait_s: float) -> Iterator[None]:
        """The document's lock, for a change that takes more than one step.

        Raises:
            LockTimeoutError: others held it for ``wait_s`` seconds.
        """
        try:
            held = locks.acquire(self._lock_path, wait_s=wait_s)
        except LockTimeoutError as error:
            raise LockTimeoutError(
                f"other processes hold {self._lock_path} without a pause; gave up after {wait_s:g} s"
            ) from error
        try:
            yield
        finally:
            locks.release(held)

"""Places for requests that are answered at the same time: so many, and who comes later is told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NoPlaceError(Exception):
    """All places are taken."""


class Places:
    """So many places. For the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take one until the end of the block.

        Raises:
            NoPlaceError: there is none.
        """
        if self._taken >= self._most:
            raise NoPlaceError
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

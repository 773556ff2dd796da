"""Places for scrapes, which nobody is asked a name for: so many, and who comes later is told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opsd.api.failure import NotBegunError


class Places:
    """So many places. For the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take one until the end of the block.

        Raises:
            NotBegunError: there is none.
        """
        if self._taken >= self._most:
            raise NotBegunError("too many requests at a time")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

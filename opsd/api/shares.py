"""How much of the daemon one principal may hold at a time, so that nobody who may only look keeps others out.

A share is at most half of what there is. What ends a danger (the levers, the end of a token) has places of its own,
which nothing else takes. For the event loop's thread only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from opsd.api.failure import NotBegunError

#: Urgent changes that one principal may have under way.
URGENT_EACH = 4


class Place(StrEnum):
    """What a request takes."""

    READ = "requests"
    CHANGE = "changes"
    STREAM = "streams"
    URGENT = "urgent changes"


class Shares:
    """Who holds how many places.

    Args:
        there_are: places of a kind that all principals share.
    """

    def __init__(self, there_are: Mapping[Place, int]) -> None:
        self._most = {place: max(1, number // 2) for place, number in there_are.items()} | {Place.URGENT: URGENT_EACH}
        self._held: Counter[tuple[Place, str]] = Counter()

    @contextmanager
    def holding(self, place: Place, principal: str) -> Iterator[None]:
        """Take a place until the end of the block.

        Raises:
            NotBegunError: the principal holds its share already.
        """
        holder = (place, principal)
        if self._held[holder] >= self._most[place]:
            raise NotBegunError(f"too many {place} of one principal at a time")
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]

"""How much of the daemon one principal may hold at a time, so that nobody who may only look keeps others out.

Invariants, for places of one kind, however many principals hold or want all that they can get:

1. Who holds none gets a place at once, as long as there are no more than half as many principals as places. With more
   of them they may have to wait as in 2.
2. Who holds fewer than another waits for its turn instead of being refused, and what is given back goes to who holds
   fewest of those who wait. Once all requests that came before have ended, it has its place, or nobody holds more.
3. Nobody with a token of their own holds more than half.

What ends a danger (the levers, the end of a token) has places of its own, which nothing else takes. Who has no token of
their own may be anybody: all of them together are one more principal. For the event loop's thread only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum

from opsd.access.authenticate import Identity
from opsd.api.failure import NotBegunError

#: Urgent changes that one principal may have under way.
URGENT_EACH = 4
#: How long a request waits for its turn, in seconds.
TURN_S = 30.0
#: Everybody without a token of their own.
ANYBODY = ""


class Place(StrEnum):
    """What a request takes."""

    READ = "requests"
    CHANGE = "changes"
    STREAM = "streams"
    URGENT = "urgent changes"


class Holders:
    """Who holds how many of so many places, and who waits for one. Pure: the rule of invariants 1 to 3."""

    def __init__(self, places: int) -> None:
        self.places = places
        #: Only who holds some.
        self.held: dict[str, int] = {}
        #: In the order of their coming, everybody once.
        self.waiting: list[str] = []
        self._taken = 0

    def may_take(self, holder: str, principals: int) -> bool:
        """Whether ``holder`` may take one more; ``principals`` is how many there are, anybody included."""
        if holder not in self.held:
            return self._taken < self.places
        kept = min(max(0, principals - len(self.held)), self.places // 2)  # one each for who holds none
        return self._taken < self.places - kept and not self._has_its_half(holder)

    def may_wait(self, holder: str) -> bool:
        """Whether it has a turn that is worth waiting for."""
        fewer = self.held.get(holder, 0) < max(self.held.values(), default=0)
        return fewer and holder not in self.waiting and not self._has_its_half(holder)

    def hand_on(self, principals: int) -> str | None:
        """Whose turn it is, of those who wait: it has taken its place, and waits no more."""
        able = [holder for holder in self.waiting if self.may_take(holder, principals)]
        if not able:
            return None
        first = min(able, key=lambda holder: self.held.get(holder, 0))
        self.waiting.remove(first)
        self.take(first)
        return first

    def take(self, holder: str) -> None:
        """It takes one."""
        self.held[holder] = self.held.get(holder, 0) + 1
        self._taken += 1

    def give_back(self, holder: str) -> None:
        """It gives one back."""
        self._taken -= 1
        self.held[holder] -= 1
        if not self.held[holder]:
            del self.held[holder]

    def _has_its_half(self, holder: str) -> bool:
        return holder != ANYBODY and self.held.get(holder, 0) >= max(1, self.places // 2)


class Shares:
    """The places of every kind.

    Args:
        there_are: places of a kind that all principals share.
        principals: how many principals have tokens of their own, asked each time.
    """

    def __init__(self, there_are: Mapping[Place, int], principals: Callable[[], int] = lambda: 0) -> None:
        self._holders = {place: Holders(number) for place, number in there_are.items()}
        self._urgent = Holders(0)
        self._turns: dict[tuple[Place, str], asyncio.Future[None]] = {}
        self._named = principals

    @property
    def _principals(self) -> int:
        return self._named() + 1  # anybody

    @asynccontextmanager
    async def holding(self, place: Place, identity: Identity) -> AsyncIterator[None]:
        """Hold a place until the end of the block.

        Raises:
            NotBegunError: there is none for whoever asks, or none until :data:`TURN_S` are over.
        """
        holder = identity.name if identity.credential else ANYBODY
        if place is Place.URGENT:
            holders = self._urgent
            if holder != ANYBODY and holders.held.get(holder, 0) >= URGENT_EACH:
                raise _too_many(place, holders, holder)
            holders.take(holder)
        else:
            holders = self._holders[place]
            await self._take(place, holders, holder)
        try:
            yield
        finally:
            holders.give_back(holder)
            self._hand_on(place, holders)

    async def _take(self, place: Place, holders: Holders, holder: str) -> None:
        self._hand_on(place, holders)  # there may be fewer principals by now
        if holders.may_take(holder, self._principals):
            holders.take(holder)
            return
        if place is Place.STREAM or not holders.may_wait(holder):  # a stream does not end by itself
            raise _too_many(place, holders, holder)
        turn = self._turns[place, holder] = asyncio.get_running_loop().create_future()
        holders.waiting.append(holder)
        try:
            async with asyncio.timeout(TURN_S):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came when it had just given up
                holders.give_back(holder)
                self._hand_on(place, holders)
            elif self._turns.get((place, holder)) is turn:
                del self._turns[place, holder]
                holders.waiting.remove(holder)
            if isinstance(error, TimeoutError):
                raise _too_many(place, holders, holder) from None
            raise

    def _hand_on(self, place: Place, holders: Holders) -> None:
        """What was given back goes to who waits."""
        while (holder := holders.hand_on(self._principals)) is not None:
            turn = self._turns.pop((place, holder))
            if turn.cancelled():  # it is about to find out
                holders.give_back(holder)
            else:
                turn.set_result(None)


def _too_many(place: Place, holders: Holders, holder: str) -> NotBegunError:
    of_one = "of one principal " if holder != ANYBODY and holder in holders.held else ""
    return NotBegunError(f"too many {place} {of_one}at a time")

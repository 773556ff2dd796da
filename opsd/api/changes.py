"""Everything that changes, as numbered frames in a bounded ring; each is encoded once, whoever reads it.

A reader holds a position and nothing else: a slow one costs no memory, and when the ring has moved past it, it is told
so. An id names the daemon's life too, so that one from before a restart is a gap and not a wrong place. For the event
loop's thread only.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from opsd.contract import jsoncodec

RING_FRAMES = 4096
#: Moves with every pass and says nothing new.
_ROUTINE = frozenset({"lastPassAt", "lastSuccessAt", "traceId", "nextResyncSeconds"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One change: its number, the loop that it is about (None: the fleet as a whole), and its bytes on the wire."""

    number: int
    loop: str | None
    data: bytes


class ChangeFeed:
    """The ring, and who waits for it to move."""

    def __init__(self, *, frames: int = RING_FRAMES) -> None:
        self._life = os.urandom(4).hex()
        self._ring: deque[Frame] = deque(maxlen=frames)
        self._last = 0
        self._moved: asyncio.Future[None] | None = None
        self._seen: dict[str, bytes] = {}
        self._ended = False

    @property
    def last(self) -> int:
        """The number of the newest frame; 0 before the first."""
        return self._last

    @property
    def ended(self) -> bool:
        """No further frames come."""
        return self._ended

    def id_of(self, number: int) -> str:
        """The id of a frame on the wire."""
        return f"{self._life}-{number}"

    def position_of(self, last_event_id: str) -> int | None:
        """The number in an id; None when it is not of this life."""
        life, _, number = last_event_id.partition("-")
        if life != self._life or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        return int(number) if int(number) <= self._last else None

    def loop_changed(self, loop: str, view: Mapping[str, object]) -> None:
        """How a loop looks now; told only when that is news."""
        news = jsoncodec.dumps({key: value for key, value in view.items() if key not in _ROUTINE})
        if self._seen.get(loop) == news:
            return
        self._seen[loop] = news
        self.publish("loop", view, loop=loop)

    def loop_gone(self, loop: str) -> None:
        """A loop is not supervised any more."""
        if self._seen.pop(loop, None) is not None:
            self.publish("loop_gone", {"loopId": loop}, loop=loop)

    def publish(self, kind: str, value: Mapping[str, object], *, loop: str | None = None) -> None:
        """One change of ``kind``."""
        self._last += 1
        body = jsoncodec.dumps(value)
        data = b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id_of(self._last).encode(), kind.encode(), body)
        self._ring.append(Frame(self._last, loop, data))
        self._wake()

    def behind(self, position: int) -> tuple[list[Frame], bool]:
        """The frames behind ``position``, and whether some before them are gone."""
        if position >= self._last:
            return [], False
        first = self._ring[0].number
        gap = position + 1 < first
        start = 0 if gap else position + 1 - first
        return [self._ring[index] for index in range(start, len(self._ring))], gap

    async def moved(self, position: int, *, within_s: float) -> bool:
        """Wait until there is something behind ``position``, or the end; False when nothing came in time."""
        if position < self._last or self._ended:
            return True
        if self._moved is None:
            self._moved = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._moved], timeout=within_s)
        return bool(done)

    def end(self) -> None:
        """No further frames: whoever waits is told."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, None
        if moved is not None and not moved.done():
            moved.set_result(None)

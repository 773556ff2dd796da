"""Everything that changes, as numbered frames in a bounded ring; each is encoded once, whoever reads it.

A reader holds a position and nothing else: a slow one costs no memory, and when the ring has moved past it, it is told
so. Whoever listens is called once for everything that was published in one turn of the event loop. An id names the
daemon's life too, so that one from before a restart is a gap and not a wrong place. For the event loop's thread only.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from opsd.contract import jsoncodec

RING_FRAMES = 4096
#: Of all frames together; changes of a thousand loops need a tenth of it.
RING_BYTES = 32 * 1024 * 1024
#: Moves with every pass and says nothing new.
_ROUTINE = frozenset({"lastPassAt", "lastSuccessAt", "traceId", "nextResyncSeconds"})


class ChangeKind(StrEnum):
    """What changes; the name of the event on the wire."""

    LOOP = "loop"
    LOOP_GONE = "loop_gone"
    FLEET = "fleet"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Frame:
    """One change: its number, the loop that it is about (None: the fleet as a whole), and its bytes on the wire."""

    number: int
    loop: str | None
    data: bytes


class ChangeFeed:
    """The ring, and who hears that it moved."""

    def __init__(self, *, frames: int = RING_FRAMES, ring_bytes: int = RING_BYTES) -> None:
        self._life = os.urandom(4).hex()
        self._ring: deque[Frame] = deque()
        self._most_frames, self._most_bytes = frames, ring_bytes
        self._bytes = 0
        self._last = 0
        self._listeners: dict[Callable[[], None], None] = {}
        self._telling = False
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
        self.publish(ChangeKind.LOOP, view, loop=loop)

    def loop_gone(self, loop: str) -> None:
        """A loop is not supervised any more."""
        if self._seen.pop(loop, None) is not None:
            self.publish(ChangeKind.LOOP_GONE, {"loopId": loop}, loop=loop)

    def publish(self, kind: ChangeKind, value: Mapping[str, object], *, loop: str | None = None) -> None:
        """One change."""
        self._last += 1
        body = jsoncodec.dumps(value)
        data = b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id_of(self._last).encode(), kind.encode(), body)
        self._ring.append(Frame(self._last, loop, data))
        self._bytes += len(data)
        while len(self._ring) > self._most_frames or (self._bytes > self._most_bytes and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft().data)
        self._moved()

    def behind(self, position: int, most: int = RING_FRAMES) -> tuple[list[Frame], bool]:
        """The next frames behind ``position``, at most so many, and whether some before them are gone."""
        if position >= self._last:
            return [], False
        first = self._ring[0].number
        gap = position + 1 < first
        start = 0 if gap else position + 1 - first
        return [self._ring[index] for index in range(start, min(start + most, len(self._ring)))], gap

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called, soon, whenever there is something new or the end has come."""
        self._listeners[listener] = None

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no longer."""
        self._listeners.pop(listener, None)

    def end(self) -> None:
        """No further frames: whoever listens is told."""
        self._ended = True
        self._moved()

    def _moved(self) -> None:
        if self._listeners and not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        for listener in tuple(self._listeners):
            listener()

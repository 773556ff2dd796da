"""Is the event loop alive? Its lag is measured from inside, and a thread notices when it does not turn at all."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

from opsd.supervisor.tasks.supervisor import Heartbeat

_log = logging.getLogger("opsd.watchdog")


class LoopLagMonitor:
    """Measures how late the event loop wakes a sleeper; each turn is reported and feeds the block detector.

    ``on_lag`` gets every sample in seconds (for a histogram); :attr:`last_s` and :attr:`max_s` are the last and the
    largest one.
    """

    def __init__(self, period_s: float, on_lag: Callable[[float], None], detector: BlockDetector | None = None) -> None:
        self._period_s = period_s
        self._on_lag = on_lag
        self._detector = detector
        self.last_s = 0.0
        self.max_s = 0.0

    async def run(self, heartbeat: Heartbeat) -> None:
        """Measure for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._period_s
            await asyncio.sleep(self._period_s)
            heartbeat.beat()
            if self._detector is not None:
                self._detector.turn()
            self.last_s = max(0.0, loop.time() - due)
            self.max_s = max(self.max_s, self.last_s)
            self._on_lag(self.last_s)


class BlockDetector:
    """A thread that notices when the event loop has not turned for ``limit_s`` seconds.

    ``on_block`` is called from that thread, once an episode, with the seconds and the stack that blocks. Somebody must
    call :meth:`turn` from the event loop more often than that: :class:`LoopLagMonitor` does.
    """

    def __init__(
        self, limit_s: float, on_block: Callable[[float, str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_s = limit_s
        self._on_block = on_block
        self._clock = clock
        self._watched = threading.get_ident()
        self._last_turn = clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._blocked = False
        #: Times that the event loop was found blocked.
        self.episodes = 0

    @property
    def blocked(self) -> bool:
        """The event loop does not turn, or nobody watches it any more."""
        return self._blocked or (self._thread is not None and not self._ended.is_set() and not self._thread.is_alive())

    def start(self) -> None:
        """Watch the thread that calls this."""
        self._watched = threading.get_ident()
        self._last_turn = self._clock()
        self._thread = threading.Thread(target=self._watch, name="block-detector", daemon=True)
        self._thread.start()

    def turn(self) -> None:
        """The event loop has turned."""
        self._last_turn = self._clock()
        self._blocked = False

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(1)

    def _watch(self) -> None:
        while not self._ended.wait(self._limit_s / 5):
            silent_s = self._clock() - self._last_turn
            if silent_s > self._limit_s and not self._blocked:
                self._blocked = True
                self.episodes += 1
                frame = sys._current_frames().get(self._watched)
                stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
                try:
                    self._on_block(silent_s, stack)
                except Exception:  # noqa: BLE001 - the thread outlives its listener
                    _log.exception("the listener to blocks of the event loop failed")

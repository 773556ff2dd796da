"""What the daemon's own passes say of the loops of a fleet, and passes for those that were not looked at lately.

The fleet's timer must not look at every loop a second time, nor wake idle sprites: a pass that is fresh enough is
taken as it is. Others are asked for in the one queue that all passes come from, behind news and operators. Only for
the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from opsd.fleet.observed import LoopPass, Observation
from opsd.fleet.reconcile import gave_up
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.supervised import Fleet
from opsd.supervisor.tasks.workqueue import Priority, WorkQueue

#: How long a loop of the registry may take to be supervised, and how often that is looked at, in seconds.
_KNOWN_S = 30.0
_LOOK_S = 0.05


class Supervised(Protocol):
    """Who is supervised."""

    @property
    def fleet(self) -> Fleet:
        """The loops as they are now."""
        ...

    def look_now(self) -> None:
        """Look at the registry now."""
        ...


class FleetPasses:
    """Answers for the loops.

    Args:
        supervised: who is supervised.
        unusable: registry entries that cannot be supervised, and why.
    """

    def __init__(
        self,
        supervised: Supervised,
        unusable: Callable[[], Mapping[str, str]],
        queue: WorkQueue,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._supervised = supervised
        self._unusable = unusable
        self._queue = queue
        self._clock = clock

    async def observe(self, names: Collection[str], *, max_age_s: float, wait_s: float) -> dict[str, Observation]:
        """What is known of each loop.

        Args:
            max_age_s: a pass that ended longer ago is made anew.
            wait_s: all new passes together are waited for so long; a loop whose pass has not ended then has failed.
        """
        await self._until_known(names, wait_s)
        asked = {name: loop.next_pass() for name in names if (loop := self._stale(name, max_age_s)) is not None}
        for name in asked:
            self._queue.add(name, Priority.RESYNC, reason="fleet")
        if asked:
            await asyncio.wait(asked.values(), timeout=wait_s)
        return {name: self._observation(name, asked.get(name), wait_s) for name in names}

    async def _until_known(self, names: Collection[str], wait_s: float) -> None:
        """A loop that was just added to the registry is no loop that failed."""
        try:
            async with asyncio.timeout(min(wait_s, _KNOWN_S)):
                while any(self._supervised.fleet.get(name) is None and name not in self._unusable() for name in names):
                    self._supervised.look_now()
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return

    def _stale(self, name: str, max_age_s: float) -> ManagedLoop | None:
        loop = self._supervised.fleet.get(name)
        if loop is None or loop.stuck:
            return None
        last = loop.knowledge.last_pass
        return loop if last is None or abs(self._clock() - last.time.ended_at) > max_age_s else None

    def _observation(self, name: str, asked: asyncio.Future[LoopPass] | None, wait_s: float) -> Observation:
        loop = self._supervised.fleet.get(name)
        if loop is None:
            return Observation(missing=self._unusable().get(name, "the loop is not supervised yet"))
        if asked is not None:
            return Observation(asked.result(), True) if asked.done() else Observation(missing=gave_up(wait_s))
        if loop.stuck:
            return Observation(missing="a pass over this loop has outlived its deadline and still runs")
        return Observation(loop.knowledge.last_pass)

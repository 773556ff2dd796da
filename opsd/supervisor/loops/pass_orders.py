"""What operators want of a loop's next pass, and who of them waits for it: at most one order at a time.

Guarantees: an order is carried out by a pass that begins after it was placed, the next one, and by no other; whoever
waits is told how that pass ended, never how one ended that was under way already. Lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from opsd.contract.errors import BusyError
from opsd.fleet.observed import LoopPass
from opsd.loop.outcome import PassOrder

_ANY_PASS = PassOrder()


@dataclass(slots=True)
class _Placed:
    order: PassOrder
    waiting: list[asyncio.Future[LoopPass]] = field(default_factory=list)


class PassOrders:
    """The orders of one loop."""

    def __init__(self) -> None:
        self._placed: _Placed | None = None
        self._carried_out: _Placed | None = None

    def place(self, order: PassOrder) -> asyncio.Future[LoopPass]:
        """Have the next pass do this; done when that pass has ended.

        Raises:
            BusyError: another order waits for the next pass, and it cannot do both.
        """
        if self._placed is None or self._placed.order == _ANY_PASS:
            self._placed = _Placed(order, [] if self._placed is None else self._placed.waiting)
        elif order not in (_ANY_PASS, self._placed.order):
            raise BusyError("the loop's next pass was asked for otherwise")
        future: asyncio.Future[LoopPass] = asyncio.get_running_loop().create_future()
        self._placed.waiting.append(future)
        return future

    def begin(self) -> PassOrder | None:
        """A pass begins: what it has to do, None for nothing beyond the settings."""
        self._carried_out, self._placed = self._placed, None
        if self._carried_out is None or self._carried_out.order == _ANY_PASS:
            return None
        return self._carried_out.order

    def ended(self, last: LoopPass) -> None:
        """The pass has ended like this."""
        placed, self._carried_out = self._carried_out, None
        for future in placed.waiting if placed is not None else ():
            if not future.done():
                future.set_result(last)

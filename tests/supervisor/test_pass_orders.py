"""What operators want of a loop's next pass: carried out once, by a pass that begins afterwards."""

from __future__ import annotations

import pytest

from opsd.contract.errors import BusyError
from opsd.contract.ids import LoopId
from opsd.contract.reasons import TransportKind
from opsd.fleet.loop_answer import no_outcome
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import LoopPass
from opsd.loop.outcome import PassOrder, PassSettings
from opsd.loop.thresholds import Thresholds
from opsd.supervisor.loops.pass_orders import PassOrders


def a_pass(trace: str) -> LoopPass:
    return LoopPass(no_outcome("x"), LoopTime(0.0, 1.0, 1.0), trace)


async def test_an_order_is_carried_out_by_one_pass() -> None:
    orders = PassOrders()
    wanted = PassOrder(from_start=True)
    told = orders.place(wanted)
    assert orders.begin() == wanted
    orders.ended(a_pass("t1"))
    assert told.result().trace_id == "t1"
    assert orders.begin() is None


async def test_a_pass_that_was_under_way_answers_nobody() -> None:
    orders = PassOrders()
    orders.begin()
    told = orders.place(PassOrder())
    orders.ended(a_pass("before"))
    assert not told.done()
    assert orders.begin() is None
    orders.ended(a_pass("after"))
    assert told.result().trace_id == "after"


async def test_who_wants_any_pass_shares_the_one_that_somebody_steers() -> None:
    orders = PassOrders()
    steered = PassOrder(skip_line=7)
    told = [orders.place(one) for one in (PassOrder(), steered, PassOrder(), steered)]
    assert orders.begin() == steered
    orders.ended(a_pass("t"))
    assert [future.result().trace_id for future in told] == ["t"] * 4


async def test_one_pass_cannot_do_two_things() -> None:
    orders = PassOrders()
    orders.place(PassOrder(skip_line=7))
    with pytest.raises(BusyError, match="asked for otherwise"):
        orders.place(PassOrder(from_start=True))
    orders.begin()
    orders.place(PassOrder(from_start=True))


async def test_who_waits_no_longer_is_no_trouble() -> None:
    orders = PassOrders()
    orders.place(PassOrder()).cancel()
    told = orders.place(PassOrder())
    orders.begin()
    orders.ended(a_pass("t"))
    assert told.result().trace_id == "t"


@pytest.mark.parametrize(("wanted", "permitted", "most"), [(0, 0, 0), (0, 10, 10), (5, 10, 5), (50, 10, 10), (5, 0, 5)])
def test_an_order_takes_in_no_more_than_the_settings_permit(wanted: int, permitted: int, most: int) -> None:
    settings = PassSettings("/r", LoopId("a"), TransportKind.LOCAL, Thresholds(), {}, max_events=permitted)
    applied = PassOrder(max_events=wanted, skip_line=3).applied(settings)
    assert (applied.max_events, applied.skip_line, applied.from_start) == (most, 3, False)
    assert settings.max_events == permitted

"""New rows are reported in their order, begin in their order, and no sink that hangs holds the others up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.records.outbox import DeliveryState, Entry
from opsd.alerts.run.row_order import ORDER_GRACE_S, Place, RowOrder
from tests.alerts.builders import NOW, delivery, entry


def order(*entries: Entry) -> RowOrder:
    return RowOrder([Place(one) for one in entries])


def two_sinks(count: int) -> list[Entry]:
    return [entry(f"e{n}", delivery(f"a{n}", "stuck"), delivery(f"b{n}", "desk")) for n in range(count)]


@given(st.permutations(range(8)))
def test_rows_are_handed_out_in_their_order_and_once_whatever_ends_first(ends: list[int]) -> None:
    entries = [entry(f"e{number}") for number in range(8)]
    rows = order(*entries)
    handed = []
    for number in ends:
        assert rows.fill(entries[number], [{"row": number}], [entries[number]])
        handed += [row["row"] for place in rows.ready() for row in place.rows or ()]
    assert handed == list(range(8))
    assert rows.ready() == []
    assert not rows.fill(entries[0], [], [])


def test_the_first_row_may_begin_and_the_second_waits_for_it() -> None:
    first, second = two_sinks(2)
    rows = order(first, second)
    assert rows.may_begin(first, {}, {}, NOW)
    assert not rows.may_begin(second, {}, {}, NOW)
    for one in first.deliveries:
        one.state = DeliveryState.DELIVERED
    assert rows.may_begin(second, {}, {}, NOW)


def test_a_sink_that_hangs_holds_no_row_up_for_longer_than_a_moment() -> None:
    entries = two_sinks(20)
    rows = order(*entries)
    under_way = {"stuck": NOW}
    now = NOW
    for one in entries[:-1]:
        one.deliveries[1].state = DeliveryState.DELIVERED
    assert not rows.may_begin(entries[-1], under_way, {}, now)
    assert rows.may_begin(entries[-1], under_way, {}, now + ORDER_GRACE_S)


def test_a_sink_that_is_left_alone_holds_nobody_up() -> None:
    first, second = two_sinks(2)
    first.deliveries[1].state = DeliveryState.DELIVERED
    rows = order(first, second)
    assert not rows.may_begin(second, {}, {}, NOW)
    assert rows.may_begin(second, {}, {"stuck": NOW + 30}, NOW)


def test_what_is_not_a_new_row_waits_for_none() -> None:
    backlog = entry("old", delivery("d"), backlog=True)
    assert order(*two_sinks(1)).may_begin(backlog, {}, {}, NOW)


def test_a_group_that_waits_for_its_moment_holds_nobody_up() -> None:
    waiting = entry("group", delivery("g"), group="g", release_at=NOW + 30)
    (second,) = two_sinks(1)
    assert order(waiting, second).may_begin(second, {}, {}, NOW)

"""Reading rows, their ids, and how far a loop's rows are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.records.rows import Escalation, Unusable, UnusableLine, delivery_id, field, read_line
from opsd.alerts.records.state import Counters, position_json, previous_offset, previous_position
from opsd.storage.alert_store import Position


def read(raw: bytes) -> Escalation | UnusableLine:
    return read_line(1, raw, loop_id="run-loop", trace_id="run-trace")


@given(st.binary(max_size=60))
def test_no_line_is_too_strange_to_be_read(raw: bytes) -> None:
    found = read(raw.replace(b"\n", b""))
    assert isinstance(found, (Escalation, UnusableLine))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", Unusable.BLANK),
        (b" \t\r", Unusable.BLANK),
        (b"{", Unusable.INVALID),
        (b"[1]", Unusable.INVALID),
        (b'"text"', Unusable.INVALID),
        (b"5", Unusable.INVALID),
        (b"true", Unusable.INVALID),
        (b"{} {}", Unusable.INVALID),
        (b'{"category":"a"}{"category":"b"}', Unusable.INVALID),
        (b"null", Unusable.NO_CATEGORY),
        (b"{}", Unusable.NO_CATEGORY),
        (b'{"category":false}', Unusable.NO_CATEGORY),
        (b'{"category":""}', Unusable.NO_CATEGORY),
    ],
)
def test_a_line_that_cannot_be_routed_says_why(raw: bytes, why: Unusable) -> None:
    found = read(raw)
    assert isinstance(found, UnusableLine)
    assert found.why is why


@pytest.mark.parametrize(
    ("value", "shown"), [("a", "a"), (5, "5"), (True, "true"), (False, ""), (None, ""), ("", ""), (0, "0")]
)
def test_a_field_is_read_as_text(value: Any, shown: str) -> None:
    assert field({"k": value}, "k") == shown


def test_numbers_and_a_carriage_return_stay_as_they_were_written() -> None:
    found = read(b'{"category":"c","one":1.0,"big":123456789012345678901}\r')
    assert isinstance(found, Escalation)
    assert found.exact == b'{"category":"c","one":1.0,"big":123456789012345678901}'


def test_loop_and_trace_are_the_rows_own_or_those_of_the_run() -> None:
    own, none = read(b'{"category":"c","loopId":"l","traceId":"t"}'), read(b'{"category":"c"}')
    assert isinstance(own, Escalation)
    assert isinstance(none, Escalation)
    assert (own.loop_id, own.trace_id) == ("l", "t")
    assert (none.loop_id, none.trace_id) == ("run-loop", "run-trace")


parts = st.tuples(
    st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), st.integers(1, 3), st.sampled_from([b"1", b"2"])
)


@given(parts, parts, st.integers(1, 3), st.integers(1, 3))
def test_two_ids_are_equal_only_if_all_that_makes_them_is(one: Any, other: Any, first: int, second: int) -> None:
    equal = delivery_id(*one, first) == delivery_id(*other, second)
    assert equal is ((one, first) == (other, second))


@pytest.mark.parametrize(
    ("stored", "offset"),
    [
        (3, 3),
        ("1", 1),
        ("08", 8),
        (1.0, 1),
        (1.5, 0),
        (-1, 0),
        (" 2", 0),
        ("x", 0),
        ("", 0),
        (True, 0),
        (False, 0),
        (None, 0),
        ([], 0),
        ({}, 0),
    ],
)
def test_a_stored_offset_is_a_line_number_or_nothing(stored: Any, offset: int) -> None:
    assert previous_offset({"escalationsLineOffset": stored}) == offset


@given(st.integers(0, 10**9), st.integers(0, 10**12), st.integers(0, 2**63), st.text("0123456789abcdef", min_size=1))
def test_a_position_is_believed_as_long_as_it_belongs_to_the_offset(
    line: int, byte: int, inode: int, first: str
) -> None:
    position = Position(line, byte, inode, first)
    stored = json.loads(json.dumps({"escalationsLineOffset": line, "escalationsPosition": position_json(position)}))
    assert previous_position(stored) == position
    stored["escalationsLineOffset"] = line + 1
    assert previous_position(stored) == Position(line + 1)


@pytest.mark.parametrize(
    "damage", [None, [], {"line": 1}, {"line": 1, "byte": "2", "inode": 3, "firstLineSha256": "a"}]
)
def test_a_position_that_makes_no_sense_is_found_again_by_counting(damage: Any) -> None:
    assert previous_position({"escalationsLineOffset": 1, "escalationsPosition": damage}) == Position(1)


@pytest.mark.parametrize(
    ("counters", "status"),
    [
        (Counters(), "no_new_escalations"),
        (Counters(processed=1, skipped=1), "success"),
        (Counters(processed=2, dispatched=1, failed=1), "partial"),
        (Counters(processed=2, skipped=1, failed=1), "failed"),
    ],
)
def test_a_run_is_judged_by_its_new_rows(counters: Counters, status: str) -> None:
    assert counters.status == status

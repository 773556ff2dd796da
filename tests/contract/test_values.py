"""The contract's small value rules, and its JSON form."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract import jsoncodec
from opsd.contract.durations import parse_duration
from opsd.contract.errors import UsageError
from opsd.contract.ids import MAX_LOOP_ID_BYTES, new_trace_id, parse_loop_id
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import brief, digits, first_present, int0, last_lines, text

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"1.0", 1),
        (b"1e3", 1000),
        (b'{"a":-2.50}', {"a": -2.5}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"-9999999999999999999", -9999999999999999999),
        (b'[NaN,1e999,"1.0"]', [None, None, "1.0"]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_numbers_and_bytes_are_read_in_the_contracts_form(document: bytes, expected: Any) -> None:
    found = jsoncodec.loads(document)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("document", [b"", b"  ", b"{", b"{} {}", b"[1,]", b"nul", b"[" * 5000 + b"]" * 5000])
def test_what_is_not_one_json_document_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsoncodec.loads(document)


@given(json_values)
def test_what_is_written_is_valid_json_with_the_same_meaning(value: Any) -> None:
    written = jsoncodec.dumps(value)
    again = json.loads(written)
    assert jsoncodec.loads(written) == jsoncodec.loads(json.dumps(again).encode())
    assert b"\x7f" not in written
    assert b"\n" not in written


def test_an_unpaired_surrogate_becomes_a_replacement_character() -> None:
    assert jsoncodec.dumps(jsoncodec.loads(b'"\\ud800 x"')) == '"\ufffd x"'.encode()


@given(st.integers(min_value=0, max_value=253402300799))
def test_timestamps_survive_a_round_trip(epoch: int) -> None:
    assert parse_epoch(format_utc(epoch)) == epoch
    assert format_utc(epoch) == datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


@pytest.mark.parametrize(
    "text_",
    [
        "",
        "2026-02-23T00:00:00.123Z",
        "2026-02-23T00:00:00+00:00",
        "2026-02-23t00:00:00z",
        "2026-02-23 00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "1969-12-31T23:59:59Z",
        None,
        5,
    ],
)
def test_other_forms_are_not_timestamps(text_: object) -> None:
    assert parse_epoch(text_) is None


@pytest.mark.parametrize("loop_id", ["a", "alpha.feature", "x_y-z", "...", "ü", "a b", "a" * MAX_LOOP_ID_BYTES])
def test_one_path_segment_is_a_loop_id(loop_id: str) -> None:
    assert parse_loop_id(loop_id) == loop_id


@pytest.mark.parametrize(
    "loop_id", ["", ".", "..", "a/b", "../x", "a\\b", "a\0b", "a\nb", "\x7f", "a" * (MAX_LOOP_ID_BYTES + 1), "\ud800"]
)
def test_what_could_leave_its_folder_is_no_loop_id(loop_id: str) -> None:
    with pytest.raises(UsageError, match="invalid loop id"):
        parse_loop_id(loop_id)


def test_the_managers_own_folder_is_reserved() -> None:
    assert parse_loop_id("fleet") == "fleet"
    with pytest.raises(UsageError, match="invalid loop id: fleet"):
        parse_loop_id("fleet", reserved=True)


def test_trace_ids_are_version_4_uuids_and_differ() -> None:
    traces = {new_trace_id() for _ in range(50)}
    assert len(traces) == 50
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(trace) for trace in traces)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), ("3", 3), (" 4 ", 4), ("1.5", 1.5), (-2, -2), ("x", 0), (True, 0), ([], 0), ({}, 0), (None, 0), ("", 0)],
)
def test_int0(value: Any, expected: Any) -> None:
    assert int0(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, "5"), (True, "true"), ([], "[]"), ({"a": 1}, '{\n  "a": 1\n}'), ("x\n\n", "x"), (None, "null")],
)
def test_text(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("7", 7),
        ("007", 7),
        (2.0, 2),
        (-1, None),
        (1.5, None),
        (True, None),
        ("", None),
        ("٣", None),
        ([], None),
    ],
)
def test_digits(value: Any, expected: int | None) -> None:
    assert digits(value) == expected


def test_only_null_and_false_are_passed_over() -> None:
    assert first_present(None, False, "", 1) == ""
    assert first_present(None, 0) == 0
    assert first_present(None, False) is False


def test_last_lines_cut_carriage_returns_and_trailing_newlines() -> None:
    assert last_lines("a\r\nb\n\n") == "a\nb"
    assert last_lines("\n".join(str(n) for n in range(50))) == "\n".join(str(n) for n in range(10, 50))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1d12h", 129600), ("1h30m5s", 5405)],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "5", "h", "1m1h", "1.5h", "-1h", "1h ", "٣h", "9999999s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


def test_what_is_shown_in_brief() -> None:
    value = {"a": "x" * 201, "b": ["x" * 200, True, None, 1.5, 2**53 - 1], "c": [2**53, -1e300, float("inf")]}
    assert brief(value) == {"a": "x" * 199 + "…", "b": ["x" * 200, True, None, 1.5, 2**53 - 1], "c": [None] * 3}

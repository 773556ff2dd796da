"""Which lines are envelopes, and the first rule that the others break."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.horizon.envelope import MAX_FIELD_CHARS, MAX_LINE_BYTES, Envelope, Rejection, is_whole, read_envelope
from tests.horizon.factories import envelope, line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def judged(**fields: Any) -> Envelope | Rejection:
    return read_envelope(json.dumps(envelope(**fields)).encode())


def test_an_envelope_is_taken_with_what_the_bridge_needs() -> None:
    assert read_envelope(line("p-1", "t-1", evidenceRefs=["a", None, {"b": 2}], note="x")[:-1] + b"\r") == Envelope(
        "p-1", "t-1", "agent", "w1", "inspect", ["a", None, {"b": 2}]
    )


@pytest.mark.parametrize("text", ["", "  ", "\r", "{", "{}{}", "{} x", "nul", "\ufeff{}", "[" * 300 + "]" * 300])
def test_what_is_not_one_json_value_is_invalid(text: str) -> None:
    assert read_envelope(text.encode()) is Rejection.INVALID_JSON


def test_a_line_beyond_the_limit_is_invalid_whatever_it_holds() -> None:
    assert isinstance(judged(note="x" * (MAX_LINE_BYTES - 300)), Envelope)
    assert judged(note="x" * MAX_LINE_BYTES) is Rejection.INVALID_JSON


@pytest.mark.parametrize("value", [None, False, "", 7, True, [], {}, "x" * (MAX_FIELD_CHARS + 1)])
@pytest.mark.parametrize("field", ["traceId", "intent", "packetId", "type", "id"])
def test_an_identifier_is_a_string_of_some_length(field: str, value: Any) -> None:
    document = envelope()
    owner = {"traceId": document, "type": document["packet"]["recipient"], "id": document["packet"]["recipient"]}
    owner.get(field, document["packet"])[field] = value
    assert read_envelope(json.dumps(document).encode()) is Rejection.FIELD_MISSING


@pytest.mark.parametrize("text", ["null", "7", '"v1"', "[]", "false", "{}", '{"packet": []}'])
def test_a_value_of_another_kind_has_no_fields(text: str) -> None:
    assert read_envelope(text.encode()) is Rejection.FIELD_MISSING


@pytest.mark.parametrize("version", [1, 0, True, "V1", "v1 ", [], {}])
def test_another_version_is_not_supported(version: Any) -> None:
    assert judged(schemaVersion=version) is Rejection.VERSION_UNSUPPORTED


@pytest.mark.parametrize("version", [None, False, ""])
def test_no_version_is_a_missing_field(version: Any) -> None:
    assert judged(schemaVersion=version) is Rejection.FIELD_MISSING


@pytest.mark.parametrize("evidence", [{}, "", "x", 0, True])
def test_evidence_has_to_be_an_array(evidence: Any) -> None:
    assert judged(evidenceRefs=evidence) is Rejection.EVIDENCE_NOT_ARRAY


def test_the_rules_are_asked_in_order() -> None:
    assert judged(schemaVersion="v2", evidenceRefs={}, traceId="") is Rejection.FIELD_MISSING
    assert judged(schemaVersion="v2", evidenceRefs={}) is Rejection.VERSION_UNSUPPORTED
    assert judged(schemaVersion="v2", evidenceRefs=False) is Rejection.FIELD_MISSING


def test_values_stay_as_they_are() -> None:
    taken = judged(traceId=" a\nb\x00 ", intent="../../x; rm -rf\n")
    assert isinstance(taken, Envelope)
    assert (taken.trace_id, taken.intent) == (" a\nb\x00 ", "../../x; rm -rf\n")


def test_half_a_character_is_read_as_it_will_be_read_back() -> None:
    taken = read_envelope(line("p").replace(b'"p"', b'"p\\ud800"'))
    assert isinstance(taken, Envelope)
    assert taken.packet_id == "p\ufffd"


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_line_makes_it_raise(data: bytes) -> None:
    assert isinstance(read_envelope(data), (Envelope, Rejection))
    is_whole(data)


@given(JSON, st.sampled_from(["schemaVersion", "traceId", "packet", "evidenceRefs", "recipient", "intent"]))
def test_no_value_of_a_field_makes_it_raise(value: Any, field: str) -> None:
    assert isinstance(judged(**{field: value}), (Envelope, Rejection))

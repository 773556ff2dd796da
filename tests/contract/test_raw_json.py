"""A document embedded by its own text: whatever surrounds it, its numbers are not touched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import RawJson
from tests.contract.test_values import json_values


def test_numbers_keep_their_spelling() -> None:
    row = b'{"a":1.0,"b":123456789012345678901,"c":1e400,"d":-0.10}'
    assert jsoncodec.dumps({"escalation": RawJson(row)}) == b'{"escalation":' + row + b"}"


@pytest.mark.parametrize("surroundings", [2**70, "\ud800", "plain"], ids=["big", "surrogate", "plain"])
def test_it_stands_where_it_was_put_also_beside_values_that_need_care(surroundings: object) -> None:
    value = {"first": RawJson(b'[1.0,"x"]'), "other": surroundings, "list": [RawJson(b"1e3"), RawJson(b'"\\"2"')]}
    data = jsoncodec.dumps(value)
    assert data.startswith(b'{"first":[1.0,"x"],"other":')
    assert data.endswith(b',"list":[1e3,"\\"2"]}')
    assert json.loads(jsoncodec.dumps_pretty(value)) == json.loads(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b' { "a" : [ 1.0 , "b c\\" : , " ] }\r', b'{"a":[1.0,"b c\\" : , "]}'),
        (b'[NaN,-Infinity,Infinity,"NaN"]', b'[null,null,null,"NaN"]'),
        (b'"\xff"', '"\ufffd"'.encode()),
        (b'"\\\\"', b'"\\\\"'),
    ],
)
def test_what_no_receiver_could_read_goes(data: bytes, text: bytes) -> None:
    assert RawJson(data).data == text


def test_anything_else_is_still_refused() -> None:
    with pytest.raises(TypeError, match="object is no JSON value"):
        jsoncodec.dumps({"a": object(), "b": RawJson(b"1")})


@given(json_values, json_values)
def test_it_is_read_back_as_what_it_was(inner: object, outer: object) -> None:
    data = json.dumps(inner, indent=1).encode()
    found = jsoncodec.loads(jsoncodec.dumps({"inner": RawJson(data), "outer": outer}))
    assert found == {"inner": jsoncodec.loads(data), "outer": jsoncodec.loads(jsoncodec.dumps(outer))}

"""JSON as one object or none."""

from __future__ import annotations

import pytest

from opsd.contract import jsoncodec


@pytest.mark.parametrize(
    ("data", "value", "is_one"),
    [
        (b'{"a": 1.0}', {"a": 1}, True),
        (b"{}", {}, True),
        (b"null", None, True),
        (b"[{}]", None, True),
        (b"{} {}", None, False),
        (b"{", None, False),
        (b"", None, False),
        (b"[" * 300 + b"]" * 300, None, False),
    ],
)
def test_an_object_or_nothing(data: bytes, value: object, is_one: bool) -> None:
    assert jsoncodec.object_in(data) == value
    assert jsoncodec.is_json(data) is is_one
    assert jsoncodec.object_in(None) is None

"""What a sprite answers is judged before it is believed (contract 20, 3.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.transport.answers import MAX_MESSAGE, bounded_message, excerpt_of, observation_of
from opsd.transport.base import ObservationQuery
from opsd.transport.http_client import ClientLimits, ServiceClient
from opsd.transport.sprite_service import SpriteServiceTransport
from tests.transport.misbehaving import respond, serving

_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ok", "events", "cursor", "eventLineOffset", "eventLineCount"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_answer_is_either_used_or_a_failure(answer: Any) -> None:
    found = observation_of({}, json.dumps(answer).encode())
    if found.failure is None:
        assert answer["ok"] is True
        assert isinstance(answer["events"], list)
    else:
        assert found.failure.code == "service_response_invalid"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 9999, b'{"ok":true,"events":[],"cursor":{"eventLineOffset":-1}}']
)
def test_what_is_no_answer_is_a_failure(body: bytes) -> None:
    found = observation_of({}, body)
    assert found.failure is not None


@given(st.text(), st.text(min_size=1))
def test_a_message_is_bounded_and_holds_no_secret(text: str, secret: str) -> None:
    message = bounded_message(text * 200 + secret + "\n" + text, secret)
    assert len(message) <= MAX_MESSAGE + len(" [cut]")
    if not any(char in "[redacted] cut" for char in secret):
        assert secret not in message


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"\xff", b"\xc3", b"\xa4", b"hush", b""]), max_size=120).map(
        b"".join
    )
)
def test_an_excerpt_of_a_body_is_what_a_message_of_all_of_it_would_be(body: bytes) -> None:
    assert excerpt_of(body, "hush") == bounded_message(body.decode("utf-8", "replace"), "hush")


def test_an_excerpt_looks_at_no_more_of_a_body_than_it_needs() -> None:
    assert excerpt_of(b"first\n" + b"\n" * 4_000_000) == "first"
    assert len(excerpt_of(b"\xff" * 4_000_000)) == len(excerpt_of(b"\xff" * 10_000))


async def test_the_second_request_is_not_made_when_the_first_fails() -> None:
    client = ServiceClient(ClientLimits())
    asked: list[str] = []
    async with serving(respond(404, b'{"error":"hush-hush"}')) as server:
        transport = SpriteServiceTransport(
            client, base_url=server.url, loop_id="a", token="hush-hush", on_request=asked.append
        )
        found = await transport.observe(ObservationQuery(cursor=0, max_events=0, trace_id="t"))
    await client.close()
    assert asked == ["snapshot"]
    assert found.failure is not None
    assert found.failure.code == "service_request_failed"
    assert "code=404" in found.failure.message
    assert "hush-hush" not in found.failure.message

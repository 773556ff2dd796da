"""Slugs, the order of the queue, what an earlier run left, and what may be forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError
from opsd.horizon.dedupe import KnownKeys, Seen
from opsd.horizon.prior import PriorState, merge, parse_queue, parse_state
from opsd.horizon.records import slug
from opsd.horizon.retention import forget_old_keys


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        ("run change", "run-change"),
        ("--é!!x__y.z--", "x__y.z"),
        ("!!!", "intent"),
        ("ÀB", "b"),
        ("Deploy to EU/West!", "deploy-to-eu-west"),
        ("a - - b\n", "a-b"),
        ("İK", "k"),
        ("-", "intent"),
    ],
)
def test_a_slug_holds_ascii_only(intent: str, expected: str) -> None:
    assert slug(intent) == expected


@given(st.text(max_size=30))
def test_a_slug_is_one_safe_word(intent: str) -> None:
    found = slug(intent)
    assert found
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert "--" not in found
    assert found.strip("-") == found


def entry(packet_id: Any, trace_id: Any = "t", created: Any = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"packetId": packet_id, "traceId": trace_id, "createdAt": created, **more}


def test_the_queue_is_in_order_and_a_prior_entry_stays_as_it_is() -> None:
    kept = entry("b", created="2026-01-01T00:00:00Z", status="confirmed", by="me")
    prior = [entry("z", created=None), kept, entry(""), entry("x", None), {"status": "odd"}]
    new = [entry("b", created="2026-02-01T00:00:00Z"), entry("a", "u"), entry("a", "t")]
    found = merge(prior, new)
    assert [(intent["packetId"], intent["traceId"]) for intent in found] == [
        ("z", "t"),
        ("a", "t"),
        ("a", "u"),
        ("b", "t"),
    ]
    assert found[-1] is kept


@pytest.mark.parametrize("text", ["", " ", "{", "[]", "7", "false", '"x"', '{"intents": {}}', '{"intents": [1]}'])
def test_a_queue_of_another_shape_stops_the_run(text: str) -> None:
    with pytest.raises(ManagerFileError, match=r"^invalid bridge queue JSON: q\.json$"):
        parse_queue(text.encode(), "q.json")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"dedupe": []}', '{"dedupe": {"keys": {}}}', '{"dedupe": {"keys": [1]}}',
     '{"dedupe": {"ambiguousPairs": [["a"]]}}', '{"dedupe": {"ambiguousPairs": ["ab"]}}'],
)  # fmt: skip
def test_a_state_of_another_shape_stops_the_run(text: str) -> None:
    with pytest.raises(ManagerFileError, match=r"^invalid bridge state JSON: s\.json$"):
        parse_state(text.encode(), "s.json")


@pytest.mark.parametrize("data", [None, b"null\n"])
def test_null_is_no_prior_file(data: bytes | None) -> None:
    assert parse_queue(data, "q") == []
    assert parse_state(data, "s") == PriorState()


def test_a_state_without_keys_knows_none() -> None:
    document = {"status": "ok", "dedupe": {"keys": None}}
    assert parse_state(json.dumps(document).encode(), "s") == PriorState(document)


def test_a_key_is_forgotten_after_its_days_but_never_while_its_intent_is_queued() -> None:
    known = KnownKeys(["old::t", "young::t", "queued::t", "odd::t", "new::t"])
    ages = {
        "old::t": "2026-01-01T00:00:00Z",
        "queued::t": "2026-01-01T00:00:00Z",
        "young::t": "2026-01-09T00:00:00Z",
        "odd::t": "2036-01-01T00:00:00Z",
        "gone::t": "2026-01-09T00:00:00Z",
    }
    now = "2026-01-10T00:00:01Z"
    since = forget_old_keys(known, [entry("queued")], ages, now, days=9)
    assert since == {
        "new::t": now,
        "odd::t": now,
        "queued::t": "2026-01-01T00:00:00Z",
        "young::t": "2026-01-09T00:00:00Z",
    }
    assert known.wire_keys() == sorted(since)
    assert known.look_up(("old", "t")) is Seen.NEW

"""What PagerDuty is sent."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import Action, AlertSeverity, DedupKeyMode, Environment, HttpAnswer, Member
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError
from opsd.alerts.sinks.pagerduty import MAX_BODY_BYTES, dedup_key
from tests.alerts.catalogs import NOW, NOW_EPOCH, body, notification, request, sink


def test_a_trigger_is_the_contracts_body_and_the_time_of_the_row() -> None:
    sent = request(notification(), sink("pagerduty_events", component="rotor"))
    assert (sent.url, sent.headers) == (
        "https://events.pagerduty.com/v2/enqueue",
        (("Content-Type", "application/json"),),
    )
    assert sent.body == (
        b'{"routing_key":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk","event_action":"trigger",'
        b'"dedup_key":"demo:health_critical:2026-11-24T12:00:00Z","payload":{'
        b'"summary":"ops-manager health_critical (critical) loop=demo","severity":"critical",'
        b'"source":"superloop-ops-manager","component":"rotor","group":"loop-run","class":"escalation",'
        b'"custom_details":{"escalation":{"timestamp":"2026-11-24T12:00:00Z","loopId":"demo","traceId":"tr-1",'
        b'"category":"health_critical"},"traceId":"tr-1"},"timestamp":"2026-11-24T12:00:00Z"}}'
    )
    assert "timestamp" not in body(notification(starts_at=None), sink("pagerduty_events"))["payload"]


def test_a_resolve_closes_the_same_key() -> None:
    assert body(notification(action=Action.RESOLVE), sink("pagerduty_events")) == {
        "routing_key": "k" * 32,
        "event_action": "resolve",
        "dedup_key": f"demo:health_critical:{NOW}",
    }


def test_the_endpoint_can_be_another_one() -> None:
    url = "https://events.eu.example/v2/enqueue"
    assert request(notification(), sink("pagerduty_events", apiUrl=url)).url == url


def test_the_key_is_that_of_the_row_or_of_the_incident() -> None:
    assert dedup_key(DedupKeyMode.ROW, "l", "c", NOW) == f"l:c:{NOW}"
    assert dedup_key(DedupKeyMode.ROW, "l", "c", "") == "l:c:"
    assert dedup_key(DedupKeyMode.INCIDENT, "l", "c", NOW) == "l:c"


def test_an_overlong_key_keeps_its_beginning_and_its_digest() -> None:
    whole = "l" * 200 + ":" + "c" * 60
    assert dedup_key(DedupKeyMode.INCIDENT, "l" * 194, "c" * 60, "") == "l" * 194 + ":" + "c" * 60
    short = dedup_key(DedupKeyMode.INCIDENT, "l" * 200, "c" * 60, "")
    assert short == "l" * 190 + ":" + hashlib.sha256(whole.encode()).hexdigest()


@given(st.sampled_from(DedupKeyMode), st.text(), st.text() | st.text().map(lambda text: text * 99), st.text())
def test_no_key_is_too_long(mode: DedupKeyMode, loop: str, category: str, stamp: str) -> None:
    assert len(dedup_key(mode, loop, category, stamp)) <= 255


def test_a_row_that_is_too_large_is_replaced_by_how_to_find_it() -> None:
    row = json.dumps({"category": "x", "pad": "p" * 600_000}).encode()
    found = body(notification(row), sink("pagerduty_events"))["payload"]["custom_details"]["escalation"]
    assert found == {
        "truncated": True, "bytes": len(row), "sha256": hashlib.sha256(row).hexdigest(), "deliveryId": "omd_1",
    }  # fmt: skip


@given(
    st.text(max_size=50),
    st.text(max_size=50),
    st.text(max_size=50),
    st.sampled_from([1, 200, 20_000]),
    st.integers(0, 25),
)
def test_whatever_a_row_says_an_event_keeps_to_pagerdutys_limits(
    category: str, loop: str, trace: str, times: int, members: int
) -> None:
    row = json.dumps({"category": category * times}).encode()
    other = Member("other", "tr-2", "health_critical", AlertSeverity.INFO, row)
    told = notification(
        row,
        category=category * times,
        loop_id=loop,
        trace_id=trace * times,
        dedup_key=dedup_key(DedupKeyMode.ROW, loop, category * times, ""),
        members=(other,) * members,
    )
    sent = request(told, sink("pagerduty_events"))
    assert len(sent.body) <= MAX_BODY_BYTES
    assert len(json.loads(sent.body)["payload"]["summary"]) <= 1024


def test_nothing_is_sent_without_a_routing_key() -> None:
    with pytest.raises(MissingSecretError, match=r"^pagerduty routing key env is unset$"):
        SINK_TYPES["pagerduty_events"].request(notification(), sink("pagerduty_events"), Environment({}), now=NOW_EPOCH)


@pytest.mark.parametrize(
    ("status", "excerpt", "closes"),
    [
        (400, '{"status":"invalid event","errors":["\'routing_key\' is invalid"]}', True),
        (400, "Invalid routing key", True),
        (400, '{"errors":["\'summary\' is missing"]}', False),
        (400, None, False),
        (403, "routing_key", False),
    ],
)
def test_only_a_refused_routing_key_closes_it(status: int, excerpt: str | None, closes: bool) -> None:
    answer = HttpAnswer(status=status, excerpt=excerpt)
    assert SINK_TYPES["pagerduty_events"].closes_target(answer) is closes

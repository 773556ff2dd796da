"""What a webhook is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from opsd.alerts.model import Action, AlertSeverity, Environment, HttpAnswer, Member
from opsd.alerts.routing.resolve import resolved_sink
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError
from tests.alerts.catalogs import NOW, NOW_EPOCH, ROW, SECRETS, body, notification, request, sink

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def headers(to: Any, told: Any = None, **secrets: str) -> dict[str, str]:
    found = request(told or notification(), to, **secrets).headers
    assert len({name.lower() for name, _ in found}) == len(found)
    return {name.lower(): value for name, value in found}


def member(number: int, row: bytes = b"{}") -> Member:
    return Member(f"loop-{number}", f"tr-{number}", "health_critical", AlertSeverity.CRITICAL, row)


def test_a_trigger_is_exactly_the_contracts_body() -> None:
    sent = request(notification(), sink())
    assert sent.url == SECRETS["URL"]
    assert sent.body == (
        b'{"schemaVersion":"v1","emittedAt":"2026-11-24T12:00:00Z",'
        b'"source":{"repoPath":"/repo","loopId":"demo","channel":"ops_manager_alert_dispatch","traceId":"tr-1"},'
        b'"event":{"category":"health_critical","severity":"critical"},"sink":{"id":"desk","type":"webhook"},'
        b'"escalation":{"timestamp":"2026-11-24T12:00:00Z","loopId":"demo","traceId":"tr-1",'
        b'"category":"health_critical"}}'
    )


def test_a_resolve_adds_what_it_is_and_when() -> None:
    event = body(notification(action=Action.RESOLVE, ends_at="2026-11-24T11:59:00Z"), sink())["event"]
    assert event == {
        "category": "health_critical", "severity": "critical",
        "action": "resolve", "resolvedAt": "2026-11-24T11:59:00Z",
    }  # fmt: skip
    assert body(notification(action=Action.RESOLVE), sink())["event"]["resolvedAt"] == NOW


def test_the_row_is_sent_as_it_was_written() -> None:
    row = b'{"category":"x","ratio":1.0,"big":123456789012345678901}'
    assert request(notification(row), sink()).body.endswith(b'"escalation":' + row + b"}")


def test_a_group_is_told_with_all_its_members() -> None:
    told = notification(members=(member(2), member(3)), truncated_count=4)
    found = body(told, sink())
    assert [one["loopId"] for one in found["members"]] == ["demo", "loop-2", "loop-3"]
    assert found["members"][0]["escalation"] == found["escalation"] == ROW
    assert found["truncatedCount"] == 4


def test_a_group_carries_twenty_members_and_counts_the_others() -> None:
    found = body(notification(members=tuple(member(number) for number in range(30))), sink())
    assert (len(found["members"]), found["truncatedCount"]) == (20, 11)


def test_a_row_that_is_too_large_is_replaced_by_its_size_and_digest() -> None:
    row = json.dumps({"category": "x", "pad": "p" * 5000}).encode()
    found = body(notification(row, members=(member(2, row),)), sink(maxBodyBytes=4096))
    notice = {"truncated": True, "bytes": len(row), "sha256": hashlib.sha256(row).hexdigest()}
    assert found["escalation"] == found["members"][1]["escalation"] == notice
    assert body(notification(row), sink(maxBodyBytes=8192))["escalation"]["pad"]


def test_a_category_that_is_too_large_is_cut() -> None:
    told = notification(b"{}", category="c" * 2_000_000, members=(member(2),))
    assert len(request(told, sink()).body) < 10_000
    assert body(told, sink())["event"]["category"] == "c" * 1024


def test_the_delivery_id_is_the_idempotency_key() -> None:
    assert headers(sink()) == {"content-type": "application/json", "idempotency-key": "omd_1"}


def test_a_token_is_sent_when_its_variable_is_set() -> None:
    assert headers(sink(authTokenEnv="TOKEN"))["authorization"] == "Bearer t0k3n"
    assert "authorization" not in headers(sink(authTokenEnv="TOKEN"), TOKEN="")


@pytest.mark.parametrize("token", ["a\r\nX-Other: b", "a\n", "\udc80"])
def test_a_token_that_cannot_stand_in_a_header_is_not_sent(token: str) -> None:
    with pytest.raises(MissingSecretError, match=r"^webhook auth token cannot stand in a header$"):
        request(notification(), sink(authTokenEnv="TOKEN"), TOKEN=token)


def test_a_configured_header_takes_the_place_of_ours_whatever_its_case() -> None:
    configured = {"content-type": "application/x+json", "X-Team": "", "AUTHORIZATION": "Basic x"}
    found = headers(sink(headers=configured))
    assert (found["content-type"], found["x-team"]) == ("application/x+json", "")
    assert found["authorization"] == "Basic x"
    assert headers(sink(headers=configured, authTokenEnv="TOKEN"))["authorization"] == "Bearer t0k3n"


def test_a_configured_header_cannot_forge_the_signature() -> None:
    found = headers(sink(headers={"Webhook-Signature": "v1,x", "WEBHOOK-ID": "y"}, signingSecretEnv="S"), S=WHSEC)
    assert found["webhook-signature"] != "v1,x"
    assert found["webhook-id"] == "omd_1"


def test_headers_of_a_replaced_resolver_that_cannot_be_sent_are_left_out() -> None:
    view = {"type": "webhook", "secretRefs": {"urlEnv": "URL"}, "config": {"headers": {"A": "b\r\nC: d", "E": 5}}}
    assert "a" not in headers(resolved_sink(view, None))
    assert headers(resolved_sink(view, None))["e"] == "5"


def signed(told: Any, to: Any, **secrets: str) -> tuple[bytes, dict[str, str]]:
    """Signed at this moment: the other implementation looks at its clock."""
    found = SINK_TYPES["webhook"].request(told, to, Environment({**SECRETS, **secrets}), now=time.time())
    return found.body, dict(found.headers)


@given(st.binary(max_size=64), st.text(max_size=20).filter(lambda text: text.isprintable()))
def test_another_implementation_accepts_the_signature(key: bytes, category: str) -> None:
    key = key or b"k"
    whsec = "whsec_" + base64.b64encode(key).decode()
    data, sent = signed(notification(category=category), sink(signingSecretEnv="S"), S=whsec)
    Verifier(whsec).verify(data, sent)
    with pytest.raises(WebhookVerificationError):
        Verifier(whsec).verify(data + b" ", sent)
    with pytest.raises(WebhookVerificationError):
        Verifier(key + b"x").verify(data, sent)


def test_any_other_secret_is_used_as_it_stands() -> None:
    data, sent = signed(notification(), sink(signingSecretEnv="S"), S="plain söcret")
    Verifier("plain söcret".encode()).verify(data, sent)


def test_while_a_secret_is_replaced_both_signatures_are_sent() -> None:
    to = sink(signingSecretEnv="S", signingSecretPreviousEnv="S_OLD")
    data, sent = signed(notification(), to, S=WHSEC, S_OLD="old")
    Verifier(WHSEC).verify(data, sent)
    Verifier(b"old").verify(data, sent)
    assert len(sent["webhook-signature"].split(" ")) == 2
    assert len(signed(notification(), to, S=WHSEC)[1]["webhook-signature"].split(" ")) == 1


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ({"URL": ""}, "webhook url env is unset"),
        ({}, "webhook signing secret env is unset"),
        ({"S": "whsec_***"}, "webhook signing secret is not base64 after whsec_"),
        ({"S": "whsec_"}, "webhook signing secret is not base64 after whsec_"),
    ],
)
def test_nothing_is_sent_without_address_or_signature(secrets: dict[str, str], message: str) -> None:
    with pytest.raises(MissingSecretError) as caught:
        request(notification(), sink(signingSecretEnv="S"), **secrets)
    assert caught.value.message == message


def test_no_answer_closes_the_receiver() -> None:
    assert not SINK_TYPES["webhook"].closes_target(HttpAnswer(status=404))


def test_time_is_that_of_the_attempt() -> None:
    assert headers(sink(signingSecretEnv="S"), S="x")["webhook-timestamp"] == str(int(NOW_EPOCH))

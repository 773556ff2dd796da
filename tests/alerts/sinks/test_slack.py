"""What Slack is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import Action, AlertSeverity, Environment, HttpAnswer, Member
from opsd.alerts.routing.resolve import resolved_sink
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError
from opsd.alerts.sinks.slack import escape
from tests.alerts.catalogs import NOW, NOW_EPOCH, body, notification, request, sink

LINE = "[ops-manager][critical] health_critical loop=demo trace=tr-1"


def texts(message: dict[str, Any]) -> list[str]:
    """Every text of a message that Slack renders."""
    section, context = message["blocks"]
    return [message["text"], section["text"]["text"], *(element["text"] for element in context["elements"])]


def member(number: int, loop_id: str = "") -> Member:
    return Member(loop_id or f"loop-{number}", f"tr-{number}", "health_critical", AlertSeverity.WARNING, b"{}")


def test_a_message_is_exactly_the_contracts_body() -> None:
    sent = request(notification(), sink("slack", channel="#c", username="u"))
    assert sent.headers == (("Content-Type", "application/json"),)
    assert sent.body == (
        b'{"text":"%(line)s","channel":"#c","username":"u","blocks":[{"type":"section","text":{"type":"mrkdwn",'
        b'"text":"*Ops Manager Alert*\\nCategory: `%(line)s`"}},{"type":"context","elements":[{"type":"mrkdwn",'
        b'"text":"Escalation timestamp: `%(now)s`"},{"type":"mrkdwn","text":"Trace: `tr-1`"}]}]}'
        % {b"line": LINE.encode(), b"now": NOW.encode()}
    )


def test_what_is_not_configured_is_left_out() -> None:
    message = body(notification(row_timestamp=""), sink("slack", channel="", iconEmoji=":eyes:"))
    assert list(message) == ["text", "icon_emoji", "blocks"]
    assert texts(message)[2] == "Escalation timestamp unavailable"


def test_a_resolve_says_resolved_in_place_of_the_severity() -> None:
    assert body(notification(action=Action.RESOLVE), sink("slack"))["text"] == LINE.replace("critical]", "resolved]")


def test_a_group_has_one_line_for_each_of_its_rows() -> None:
    message = body(notification(members=(member(2),), truncated_count=3), sink("slack"))
    other = "[ops-manager][warning] health_critical loop=loop-2 trace=tr-2"
    assert message["text"] == f"{LINE}\n{other}\nand 3 more"
    assert texts(message)[1] == f"*Ops Manager Alert*\nCategory: `{LINE}`\n`{other}`\nand 3 more"


def test_lines_without_room_become_a_number() -> None:
    message = body(notification(members=tuple(member(n, "l" * 200) for n in range(19))), sink("slack"))
    lines = message["text"].split("\n")
    assert len(message["text"]) <= 3000
    assert lines[-1] == f"and {20 - len(lines) + 1} more"
    assert len(lines) > 5


def test_a_value_can_neither_mention_nobody_nor_leave_its_code_span() -> None:
    assert escape("<!channel> `rm`\r\n& go\u2028on") == "&lt;!channel&gt; 'rm' &amp; go on"


_HOSTILE = st.text(st.sampled_from("&<>`\n\r\u2028a") | st.characters(), max_size=40)


@given(_HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE, st.sampled_from([1, 97, 3001]), st.integers(0, 25), st.integers(0, 9))
def test_whatever_a_row_says_a_message_keeps_to_slacks_limits_and_form(
    category: str, loop: str, trace: str, stamp: str, times: int, members: int, truncated: int
) -> None:
    told = notification(
        category=category * times,
        loop_id=loop * times,
        trace_id=trace,
        row_timestamp=stamp * times,
        members=tuple(member(number, loop * times) for number in range(members)),
        truncated_count=truncated,
    )
    for text in texts(body(told, sink("slack"))):
        assert 0 < len(text) <= 3000
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
    for text in texts(body(told, sink("slack")))[1:]:
        assert all(line.count("`") in (0, 2) for line in text.split("\n"))


def test_a_configured_value_that_is_no_text_is_sent_as_one() -> None:
    view = {"type": "slack", "secretRefs": {"webhookUrlEnv": "URL"}, "config": {"channel": 5, "username": None}}
    message = body(notification(), resolved_sink(view, None))
    assert (message["channel"], "username" in message) == ("5", False)


def test_nothing_is_sent_without_an_address() -> None:
    with pytest.raises(MissingSecretError, match=r"^slack webhook env is unset$"):
        SINK_TYPES["slack"].request(notification(), sink("slack"), Environment({}), now=NOW_EPOCH)


@pytest.mark.parametrize(("status", "closes"), [(404, True), (410, True), (400, False), (500, False), (None, False)])
def test_a_webhook_that_is_gone_closes_it(status: int | None, closes: bool) -> None:
    assert SINK_TYPES["slack"].closes_target(HttpAnswer(status=status)) is closes

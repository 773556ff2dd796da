"""A Slack incoming webhook (contract 50, 5.3; R8, R15, R18, W14).

Everything that comes from a row is escaped: it can neither mention anybody nor leave the code span it stands in.
"""

from __future__ import annotations

import re

from opsd.alerts.model import (
    Action,
    Environment,
    HttpAnswer,
    Member,
    Notification,
    RateRules,
    ResolvedSink,
    SinkRequest,
)
from opsd.alerts.sinks.base import is_env_name
from opsd.alerts.sinks.parts import JSON_HEADERS, configured_text, is_grouped, members_of, required_secret, secrets_of
from opsd.contract.jsoncodec import JsonObject, dumps
from opsd.contract.values import first_present

#: Slack's limit for one text.
MAX_TEXT_CHARS = 3000

_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CUT_ENTITY = re.compile("&[a-z]*$")
_HEADING = "*Ops Manager Alert*\nCategory: "
_CONFIGURED = (("channel", "channel"), ("username", "username"), ("icon_emoji", "iconEmoji"))


class Slack:
    """``type: "slack"``."""

    name = "slack"
    default_rate = RateRules(per_second=1, burst=3)
    optional_secret_refs: frozenset[str] = frozenset()
    resolves_by_key = False
    forgets = False

    def is_valid(self, config: JsonObject) -> bool:
        """The variable that holds the webhook's address."""
        return is_env_name(config.get("webhookUrlEnv"))

    def secret_refs(self, config: JsonObject) -> JsonObject:
        """``{webhookUrlEnv}``."""
        return {"webhookUrlEnv": config.get("webhookUrlEnv")}

    def shown_config(self, config: JsonObject) -> JsonObject:
        """What is not configured stays, as null."""
        return {key: first_present(config.get(key), None) for _, key in _CONFIGURED}

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        """The address."""
        return env.secret(sink.secret_refs.get("webhookUrlEnv"))

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        """A line of text, and the same in blocks.

        Raises:
            MissingSecretError: the address is unset.
        """
        url = required_secret(sink, env, "webhookUrlEnv", "slack webhook env is unset")
        lines, left_out = _lines(notification)
        message: JsonObject = {"text": _joined(lines, left_out, MAX_TEXT_CHARS)}
        for name, key in _CONFIGURED:
            value = configured_text(sink.config, key)
            if value:
                message[name] = value
        section = _HEADING + _joined(lines, left_out, MAX_TEXT_CHARS - len(_HEADING), quote="`")
        stamp = "Escalation timestamp unavailable"
        if notification.row_timestamp:
            stamp = _labelled("Escalation timestamp: ", notification.row_timestamp)
        message["blocks"] = [
            {"type": "section", "text": _mrkdwn(section)},
            {"type": "context", "elements": [_mrkdwn(stamp), _mrkdwn(_labelled("Trace: ", notification.trace_id))]},
        ]
        return SinkRequest(
            url=url,
            headers=JSON_HEADERS,
            body=dumps(message),
            allow_insecure_http=sink.rules.allow_insecure_http,
            secrets=secrets_of(sink, env),
        )

    def closes_target(self, answer: HttpAnswer) -> bool:
        """The webhook or its channel is gone (R10)."""
        return answer.status in (404, 410)


def escape(value: str) -> str:
    """``value`` as text that Slack shows and does not act on (W14)."""
    plain = _LINE_BREAK.sub(" ", value.replace("`", "'"))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(notification: Notification) -> tuple[list[str], int]:
    """One line per row, and the number of rows without one."""
    if not is_grouped(notification):
        return [_line(notification, notification.action)], 0
    members, left_out = members_of(notification)
    return [_line(member, notification.action) for member in members], left_out


def _line(told: Notification | Member, action: Action) -> str:
    state = "resolved" if action is Action.RESOLVE else told.severity
    category, loop, trace = map(escape, (told.category, told.loop_id, told.trace_id))
    return f"[ops-manager][{state}] {category} loop={loop} trace={trace}"


def _joined(lines: list[str], left_out: int, limit: int, quote: str = "") -> str:
    """The lines, each in ``quote``, within ``limit``: lines that have no room become a number; one alone is cut."""
    kept = len(lines)
    while kept > 1:
        joined = _with_rest([f"{quote}{line}{quote}" for line in lines[:kept]], left_out + len(lines) - kept)
        if len(joined) <= limit:
            return joined
        kept -= 1
    rest = _with_rest([""], left_out + len(lines) - 1)
    return f"{quote}{_cut(lines[0], limit - len(rest) - 2 * len(quote))}{quote}{rest}"


def _with_rest(lines: list[str], left_out: int) -> str:
    return "\n".join([*lines, f"and {left_out} more"] if left_out else lines)


def _labelled(label: str, value: str) -> str:
    return f"{label}`{_cut(escape(value), MAX_TEXT_CHARS - len(label) - 2)}`"


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters of escaped text, without half an entity at its end."""
    return text if len(text) <= limit else _CUT_ENTITY.sub("", text[:limit])


def _mrkdwn(text: str) -> JsonObject:
    return {"type": "mrkdwn", "text": text}

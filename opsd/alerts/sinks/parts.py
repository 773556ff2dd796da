"""What several kinds of receivers put into their messages (contract 50, 5 and 12)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TypeVar

from opsd.alerts.model import Environment, Member, Notification, ResolvedSink
from opsd.alerts.sinks.base import MissingSecretError
from opsd.contract.jsoncodec import JsonObject, JsonValue, RawJson
from opsd.contract.timestamps import format_utc
from opsd.contract.values import compact_text, first_present

JSON_HEADERS = (("Content-Type", "application/json"),)

_Told = TypeVar("_Told", Notification, Member)

#: So many rows a grouped notification carries (R15).
MAX_MEMBERS = 20
#: PagerDuty's limit, which serves as the form of the summary everywhere (R18).
MAX_SUMMARY_CHARS = 1024
#: PagerDuty's limit for a key, in characters (R4).
MAX_KEY_CHARS = 255
#: What is kept of an overlong key before ``:`` and 64 hex digits.
_KEPT_KEY_CHARS = 190
#: More than any id has; what a hostile row claims as one must not fill a message.
MAX_TEXT_CHARS = 1024
DEFAULT_SOURCE = "superloop-ops-manager"


def configured_text(config: JsonObject, key: str, default: str = "") -> str:
    """The text of ``config[key]``; ``default`` when it is absent, null or false."""
    return compact_text(first_present(config.get(key), default))


def required_secret(sink: ResolvedSink, env: Environment, key: str, message: str) -> str:
    """The value of the variable that ``secretRefs[key]`` names.

    Raises:
        MissingSecretError: ``message``; there is none, or it is empty.
    """
    value = env.secret(sink.secret_refs.get(key))
    if value is None:
        raise MissingSecretError(message)
    return value


def secrets_of(sink: ResolvedSink, env: Environment) -> tuple[str, ...]:
    """The values of all its secrets that are set, for :attr:`SinkRequest.secrets`."""
    return tuple(filter(None, map(env.secret, sink.secret_refs.values())))


def bearer(sink: ResolvedSink, env: Environment) -> tuple[tuple[str, str], ...]:
    """The header of the sink's token; none when it has no token or its variable is empty (5.2).

    Raises:
        MissingSecretError: what the variable holds, a line break for one, cannot stand in a header.
    """
    token = env.secret(sink.secret_refs.get("authTokenEnv"))
    if token is None:
        return ()
    if not token.isprintable():
        raise MissingSecretError(f"{sink.type} auth token cannot stand in a header")
    return (("Authorization", f"Bearer {token}"),)


def summary(member: Notification | Member) -> str:
    """One line for a person (5.4)."""
    return f"ops-manager {member.category} ({member.severity}) loop={member.loop_id}"[:MAX_SUMMARY_CHARS]


def bounded_key(key: str) -> str:
    """``key``, or its first 190 characters, ``:`` and its SHA-256 when it has more than 255 (R4)."""
    if len(key) <= MAX_KEY_CHARS:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[:_KEPT_KEY_CHARS]}:{digest}"


def is_grouped(notification: Notification) -> bool:
    """Whether it tells of more than one row."""
    return bool(notification.members or notification.truncated_count)


def members_of(notification: Notification) -> tuple[list[Member], int]:
    """All rows of a grouped notification, the first included, and how many of the group are left out (R15)."""
    first = Member(
        loop_id=notification.loop_id,
        trace_id=notification.trace_id,
        category=notification.category,
        severity=notification.severity,
        row=notification.row,
        reason_codes=notification.reason_codes,
        starts_at=notification.starts_at,
    )
    members = [first, *notification.members]
    return members[:MAX_MEMBERS], notification.truncated_count + len(members[MAX_MEMBERS:])


def member_json(member: Member, escalation: JsonValue) -> JsonObject:
    """One entry of ``members``."""
    return {
        "loopId": member.loop_id,
        "traceId": member.trace_id,
        "category": member.category,
        "severity": member.severity,
        "escalation": escalation,
    }


def shortened(notification: Notification) -> Notification:
    """The same with its ids and categories cut: no row makes a message too large by what it claims to be called."""
    return replace(_short(notification), members=tuple(map(_short, notification.members)))


def _short(told: _Told) -> _Told:
    return replace(
        told,
        loop_id=told.loop_id[:MAX_TEXT_CHARS],
        trace_id=told.trace_id[:MAX_TEXT_CHARS],
        category=told.category[:MAX_TEXT_CHARS],
    )


def embedded(row: bytes) -> JsonValue:
    """The row as it was written (W18)."""
    return RawJson(row)


def notice(row: bytes) -> JsonObject:
    """What stands for a row that is too large to be sent: enough to find and to prove it (R18)."""
    return {"truncated": True, "bytes": len(row), "sha256": hashlib.sha256(row).hexdigest()}


def ended_at(notification: Notification, now: float) -> str:
    """When what it told of was over."""
    return notification.ends_at or format_utc(now)

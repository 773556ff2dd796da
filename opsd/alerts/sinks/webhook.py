"""A webhook of one's own: the whole escalation as JSON, optionally signed.

Contract 50, 5.2, R4, R8, R12, R15, R18, W11.

A trigger's body knows neither ``event.action`` nor ``members`` unless there is something to say with them, so that a
receiver of the plain form sees the plain form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable

from opsd.alerts.model import (
    Action,
    Environment,
    HttpAnswer,
    Notification,
    RateRules,
    ResolvedSink,
    SinkRequest,
)
from opsd.alerts.sinks.base import MissingSecretError, is_absent, is_env_name, is_optional_env_name
from opsd.alerts.sinks.parts import (
    JSON_HEADERS,
    bearer,
    embedded,
    ended_at,
    is_grouped,
    member_json,
    members_of,
    notice,
    required_secret,
    secrets_of,
    shortened,
)
from opsd.contract.jsoncodec import JsonObject, JsonValue, dumps
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, compact_text, first_present

_CHANNEL = "ops_manager_alert_dispatch"
_SIGNING_KEYS = ("signingSecretEnv", "signingSecretPreviousEnv")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
#: Control characters but the tab, and halves of surrogate pairs.
_UNSENDABLE = re.compile("[\x00-\x08\n-\x1f\x7f\ud800-\udfff]")
#: They frame the request; a configured one would contradict the body.
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "host"})


class Webhook:
    """``type: "webhook"``."""

    name = "webhook"
    default_rate = RateRules(per_second=10, burst=20)
    optional_secret_refs = frozenset({"signingSecretPreviousEnv"})
    resolves_by_key = False
    forgets = False

    def is_valid(self, config: JsonObject) -> bool:
        """Names of variables, and headers that can be sent as they are."""
        headers = config.get("headers")
        secret, previous = (config.get(key) for key in _SIGNING_KEYS)
        return (
            is_env_name(config.get("urlEnv"))
            and all(map(is_optional_env_name, (config.get("authTokenEnv"), secret, previous)))
            and (is_absent(previous) or not is_absent(secret))
            and (is_absent(headers) or (isinstance(headers, dict) and all(map(_is_header, headers.items()))))
        )

    def secret_refs(self, config: JsonObject) -> JsonObject:
        """``authTokenEnv`` is null when there is none; the signing secrets are named only when configured."""
        refs = {key: first_present(config.get(key), None) for key in ("urlEnv", "authTokenEnv")}
        return refs | {key: config[key] for key in _SIGNING_KEYS if not is_absent(config.get(key))}

    def shown_config(self, config: JsonObject) -> JsonObject:
        """``{headers}``."""
        headers = config.get("headers")
        return {"headers": {} if is_absent(headers) else headers}

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        """The address."""
        return env.secret(sink.secret_refs.get("urlEnv"))

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        """The body of 5.2 and its headers.

        Raises:
            MissingSecretError: the address or a configured signing secret is unset, or a secret cannot be used.
        """
        url = required_secret(sink, env, "urlEnv", "webhook url env is unset")
        body = _bounded_body(notification, sink, now)
        own = (*JSON_HEADERS, ("Idempotency-Key", notification.delivery_id))
        fixed = (*bearer(sink, env), *_signature(notification.delivery_id, sink, env, body, now))
        return SinkRequest(
            url=url,
            headers=_merged(own, _configured_headers(sink), fixed),
            body=body,
            allow_insecure_http=sink.rules.allow_insecure_http,
            secrets=secrets_of(sink, env),
        )

    def closes_target(self, answer: HttpAnswer) -> bool:
        """Never: what an answer of somebody's own receiver means is not known."""
        return False


def _is_header(item: tuple[str, JsonValue]) -> bool:
    name, value = item
    return (
        _HEADER_NAME.fullmatch(name) is not None
        and name.lower() not in _FRAMING_HEADERS
        and isinstance(value, str)
        and _UNSENDABLE.search(value) is None
    )


def _configured_headers(sink: ResolvedSink) -> tuple[tuple[str, str], ...]:
    """Those of the view. A replaced resolver's were never validated: what could not be sent is left out."""
    items = [(name, compact_text(value)) for name, value in as_object(sink.config.get("headers")).items()]
    return tuple(item for item in items if _is_header(item))


def _merged(*layers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """One header per name whatever its case; a later layer wins (W11)."""
    headers: dict[str, tuple[str, str]] = {}
    for layer in layers:
        headers.update({name.lower(): (name, value) for name, value in layer})
    return tuple(headers.values())


def _bounded_body(notification: Notification, sink: ResolvedSink, now: float) -> bytes:
    """The body, within the sink's limit unless that is smaller than the shortest one (R18)."""
    body = dumps(_document(notification, sink, now, embedded))
    if len(body) > sink.rules.max_body_bytes:
        body = dumps(_document(notification, sink, now, notice))
    if len(body) > sink.rules.max_body_bytes:
        body = dumps(_document(shortened(notification), sink, now, notice))
    return body


def _document(
    notification: Notification, sink: ResolvedSink, now: float, shown: Callable[[bytes], JsonValue]
) -> JsonObject:
    event: JsonObject = {"category": notification.category, "severity": notification.severity}
    if notification.action is Action.RESOLVE:
        event |= {"action": "resolve", "resolvedAt": ended_at(notification, now)}
    document: JsonObject = {
        "schemaVersion": "v1",
        "emittedAt": format_utc(now),
        "source": {
            "repoPath": notification.repo,
            "loopId": notification.loop_id,
            "channel": _CHANNEL,
            "traceId": notification.trace_id,
        },
        "event": event,
        "sink": {"id": sink.id, "type": sink.type},
        "escalation": shown(notification.row),
    }
    if is_grouped(notification):
        members, left_out = members_of(notification)
        document["members"] = [member_json(member, shown(member.row)) for member in members]
        document["truncatedCount"] = left_out
    return document


def _signature(
    delivery_id: str, sink: ResolvedSink, env: Environment, body: bytes, now: float
) -> tuple[tuple[str, str], ...]:
    """The three headers of the Standard Webhooks convention; none when no secret is configured (R12)."""
    if is_absent(sink.secret_refs.get("signingSecretEnv")):
        return ()
    secret = required_secret(sink, env, "signingSecretEnv", "webhook signing secret env is unset")
    previous = env.secret(sink.secret_refs.get("signingSecretPreviousEnv"))
    timestamp = str(int(now))
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    signatures = [_sign(_signing_key(one), signed) for one in (secret, previous) if one is not None]
    return (
        ("webhook-id", delivery_id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", " ".join(signatures)),
    )


def _sign(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _signing_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode("utf-8", "surrogateescape")
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise MissingSecretError("webhook signing secret is not base64 after whsec_")
    return key

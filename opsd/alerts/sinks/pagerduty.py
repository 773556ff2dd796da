"""PagerDuty's Events API v2 (contract 50, 5.4; R4, R8, R15, R18, R19, W13)."""

from __future__ import annotations

from collections.abc import Callable

from opsd.alerts.model import (
    Action,
    DedupKeyMode,
    Environment,
    HttpAnswer,
    Notification,
    RateRules,
    ResolvedSink,
    SinkRequest,
)
from opsd.alerts.sinks.base import is_absent, is_env_name
from opsd.alerts.sinks.parts import (
    DEFAULT_SOURCE,
    JSON_HEADERS,
    bounded_key,
    configured_text,
    embedded,
    is_grouped,
    member_json,
    members_of,
    notice,
    required_secret,
    secrets_of,
    shortened,
    summary,
)
from opsd.contract.jsoncodec import JsonObject, JsonValue, dumps
from opsd.contract.values import first_present
from opsd.net.addresses import is_public_endpoint

DEFAULT_API_URL = "https://events.pagerduty.com/v2/enqueue"
#: PagerDuty's limit for a body.
MAX_BODY_BYTES = 512_000

_LABELS = {"source": DEFAULT_SOURCE, "component": "ops-manager", "group": "loop-run", "class": "escalation"}


class PagerDuty:
    """``type: "pagerduty_events"``."""

    name = "pagerduty_events"
    default_rate = RateRules(per_second=2, burst=20)
    optional_secret_refs: frozenset[str] = frozenset()
    resolves_by_key = True
    forgets = False

    def is_valid(self, config: JsonObject) -> bool:
        """The variable that holds the routing key, and an endpoint that may be shown (R19)."""
        url = config.get("apiUrl")
        return is_env_name(config.get("routingKeyEnv")) and (
            is_absent(url) or (isinstance(url, str) and is_public_endpoint(url))
        )

    def secret_refs(self, config: JsonObject) -> JsonObject:
        """``{routingKeyEnv}``."""
        return {"routingKeyEnv": config.get("routingKeyEnv")}

    def shown_config(self, config: JsonObject) -> JsonObject:
        """``source`` with its default, the others null when not configured; ``apiUrl`` only when configured."""
        shown = {key: first_present(config.get(key), None) for key in _LABELS}
        shown["source"] = first_present(shown["source"], DEFAULT_SOURCE)
        return shown if is_absent(config.get("apiUrl")) else {**shown, "apiUrl": config["apiUrl"]}

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        """The routing key."""
        return env.secret(sink.secret_refs.get("routingKeyEnv"))

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        """A trigger, or the resolve of the same key.

        Raises:
            MissingSecretError: the routing key is unset.
        """
        key = required_secret(sink, env, "routingKeyEnv", "pagerduty routing key env is unset")
        head: JsonObject = {
            "routing_key": key,
            "event_action": str(notification.action),
            "dedup_key": notification.dedup_key,
        }
        return SinkRequest(
            url=configured_text(sink.config, "apiUrl") or DEFAULT_API_URL,
            headers=JSON_HEADERS,
            body=dumps(head) if notification.action is Action.RESOLVE else _trigger_body(head, notification, sink),
            allow_insecure_http=sink.rules.allow_insecure_http,
            secrets=secrets_of(sink, env),
        )

    def closes_target(self, answer: HttpAnswer) -> bool:
        """PagerDuty does not know the routing key (R10)."""
        said = (answer.excerpt or "").lower().replace("_", " ")
        return answer.status == 400 and "routing key" in said


def dedup_key(mode: DedupKeyMode, loop_id: str, category: str, row_timestamp: str) -> str:
    """What PagerDuty folds into one alert: a row, or all rows of an incident (R4); at most 255 characters."""
    key = f"{loop_id}:{category}"
    return bounded_key(f"{key}:{row_timestamp}" if mode is DedupKeyMode.ROW else key)


def _trigger_body(head: JsonObject, notification: Notification, sink: ResolvedSink) -> bytes:
    body = dumps(head | {"payload": _payload(notification, sink, embedded)})
    if len(body) <= MAX_BODY_BYTES:
        return body

    def short(row: bytes) -> JsonObject:
        return {**notice(row), "deliveryId": notification.delivery_id}

    return dumps(head | {"payload": _payload(shortened(notification), sink, short)})


def _payload(notification: Notification, sink: ResolvedSink, shown: Callable[[bytes], JsonValue]) -> JsonObject:
    details: JsonObject = {"escalation": shown(notification.row), "traceId": notification.trace_id}
    if is_grouped(notification):
        members, left_out = members_of(notification)
        details["members"] = [member_json(member, shown(member.row)) for member in members]
        details["truncatedCount"] = left_out
    payload: JsonObject = {"summary": summary(notification), "severity": notification.severity}
    payload |= {key: configured_text(sink.config, key, default) for key, default in _LABELS.items()}
    payload["custom_details"] = details
    if notification.starts_at is not None:
        payload["timestamp"] = notification.starts_at
    return payload

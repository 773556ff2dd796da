"""A Prometheus Alertmanager, through its API v2 (contract 50, R17 and R8).

An alert's identity there is its labels, so they hold what an incident is and never a trace id or a time: a repeat
and the resolve find the alert that the trigger made.
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
from opsd.alerts.sinks.base import is_absent, is_env_name, is_optional_env_name
from opsd.alerts.sinks.parts import (
    DEFAULT_SOURCE,
    JSON_HEADERS,
    MAX_TEXT_CHARS,
    bearer,
    bounded_key,
    configured_text,
    embedded,
    ended_at,
    is_grouped,
    members_of,
    notice,
    required_secret,
    secrets_of,
    summary,
)
from opsd.contract.jsoncodec import JsonObject, JsonValue, dumps
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import as_object, compact_text, first_present

_PATH = "/api/v2/alerts"
MAX_ESCALATION_BYTES = 8 * 1024
#: One label of another form, which only newer releases allow, and an alert is refused as a whole.
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_LINK = re.compile(r"https?://[^\s/]\S*", re.ASCII | re.IGNORECASE)
_OWN_LABELS = frozenset({"alertname", "loop_id", "severity", "source"})


class Alertmanager:
    """``type: "alertmanager"``."""

    name = "alertmanager"
    default_rate = RateRules(per_second=10, burst=50)
    optional_secret_refs: frozenset[str] = frozenset()
    resolves_by_key = False
    forgets = True

    def is_valid(self, config: JsonObject) -> bool:
        """Names of variables; labels that are no labels of ours; an address to link to."""
        labels, link = config.get("labels"), config.get("generatorUrl")
        return (
            is_env_name(config.get("urlEnv"))
            and is_optional_env_name(config.get("authTokenEnv"))
            and (is_absent(labels) or (isinstance(labels, dict) and all(map(_is_label, labels.items()))))
            and (is_absent(link) or (isinstance(link, str) and _LINK.fullmatch(link) is not None))
        )

    def secret_refs(self, config: JsonObject) -> JsonObject:
        """``{urlEnv, authTokenEnv}``, the latter null when there is none."""
        return {key: first_present(config.get(key), None) for key in ("urlEnv", "authTokenEnv")}

    def shown_config(self, config: JsonObject) -> JsonObject:
        """``{labels, generatorUrl}``."""
        labels = config.get("labels")
        return {
            "labels": {} if is_absent(labels) else labels,
            "generatorUrl": first_present(config.get("generatorUrl"), None),
        }

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        """The base address."""
        return env.secret(sink.secret_refs.get("urlEnv"))

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        """One array; a grouped notification has an alert for each of its incidents.

        Raises:
            MissingSecretError: the address is unset, or the token cannot be used.
        """
        base = required_secret(sink, env, "urlEnv", "alertmanager url env is unset")
        alerts = [_alert(told, notification, sink, now) for told in _told(notification)]
        return SinkRequest(
            url=base.rstrip("/") + _PATH,
            headers=(*JSON_HEADERS, *bearer(sink, env)),
            body=dumps(list({dumps(alert["labels"]): alert for alert in alerts}.values())),
            allow_insecure_http=sink.rules.allow_insecure_http,
            secrets=secrets_of(sink, env),
        )

    def closes_target(self, answer: HttpAnswer) -> bool:
        """Never."""
        return False


def _is_label(item: tuple[str, JsonValue]) -> bool:
    name, value = item
    return _LABEL_NAME.fullmatch(name) is not None and name not in _OWN_LABELS and isinstance(value, str)


def _told(notification: Notification) -> list[Notification | Member]:
    return [*members_of(notification)[0]] if is_grouped(notification) else [notification]


def _alert(told: Notification | Member, notification: Notification, sink: ResolvedSink, now: float) -> JsonObject:
    configured = {name: compact_text(value) for name, value in as_object(sink.config.get("labels")).items()}
    labels = configured | {
        "alertname": bounded_key(told.category),
        "loop_id": bounded_key(told.loop_id),
        "severity": str(told.severity),
        "source": DEFAULT_SOURCE,
    }
    annotations = {
        "summary": summary(told),
        "trace_id": told.trace_id[:MAX_TEXT_CHARS],
        "reason_codes": ",".join(told.reason_codes),
        "escalation": _escalation(told.row),
    }
    alert: JsonObject = {"labels": labels, "annotations": annotations, **_span(told, notification, now)}
    link = configured_text(sink.config, "generatorUrl")
    return {**alert, "generatorURL": link} if link else alert


def _span(told: Notification | Member, notification: Notification, now: float) -> JsonObject:
    """``startsAt`` and ``endsAt``, each only where there is one to tell.

    An alert that ends before it starts is refused, and one with an end only is taken to start there, be it in the
    future: so with an end there is always a start, and never a later one.
    """
    ends_at = ended_at(notification, now) if notification.action is Action.RESOLVE else notification.ends_at
    if ends_at is None:
        return {} if told.starts_at is None else {"startsAt": told.starts_at}
    starts_at = told.starts_at or format_utc(now)
    latest = parse_epoch(ends_at)
    if latest is not None and latest < (parse_epoch(starts_at) or 0):
        starts_at = ends_at
    return {"startsAt": starts_at, "endsAt": ends_at}


def _escalation(row: bytes) -> str:
    """The row's text, or what stands for one that is too long."""
    text = dumps(embedded(row))
    return (text if len(text) <= MAX_ESCALATION_BYTES else dumps(notice(row))).decode()

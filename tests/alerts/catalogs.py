"""Small builders for catalogs, sinks and what they are told."""

from __future__ import annotations

import json
from typing import Any

from opsd.alerts.model import Action, AlertSeverity, Environment, Notification, ResolvedSink, SinkRequest
from opsd.alerts.routing.catalog import Catalog, parse_catalog
from opsd.alerts.routing.resolve import resolved_sink, sink_view
from opsd.alerts.sinks import SINK_TYPES

NOW = "2026-11-24T12:00:00Z"
NOW_EPOCH = 1795521600.0
ROW = {"timestamp": NOW, "loopId": "demo", "traceId": "tr-1", "category": "health_critical"}
SECRETS = {"URL": "https://hooks.example/s3cret", "KEY": "k" * 32, "TOKEN": "t0k3n"}

#: The least that each type needs.
MINIMAL: dict[str, dict[str, Any]] = {
    "webhook": {"urlEnv": "URL"},
    "slack": {"webhookUrlEnv": "URL"},
    "pagerduty_events": {"routingKeyEnv": "KEY"},
    "alertmanager": {"urlEnv": "URL"},
}


def entry(type_name: str = "webhook", *, enabled: bool = True, **settings: Any) -> dict[str, Any]:
    """One sink as a catalog has it."""
    return {"enabled": enabled, "type": type_name, **MINIMAL[type_name], **settings}


def document(sinks: dict[str, Any] | None = None, **routing: Any) -> dict[str, Any]:
    """A catalog document; without ``routing`` everything goes to its first sink."""
    sinks = {"w": entry()} if sinks is None else sinks
    return {
        "schemaVersion": "v1",
        "defaultMinSeverity": "warning",
        "sinks": sinks,
        "routing": {"defaultSinks": [*sinks][:1], "categorySeverity": {}, "routes": [], **routing},
    }


def catalog(sinks: dict[str, Any] | None = None, **routing: Any) -> Catalog:
    return parse_catalog(document(sinks, **routing), source_file="sinks.json")


def sink(type_name: str = "webhook", **settings: Any) -> ResolvedSink:
    """A sink as the engine gets it."""
    found = catalog({"desk": entry(type_name, **settings)})
    return resolved_sink(sink_view(found.sinks["desk"]), found)


def notification(row: Any = ROW, **changes: Any) -> Notification:
    """The row as it would be told; ``row`` may be its text."""
    values: dict[str, Any] = {
        "action": Action.TRIGGER,
        "delivery_id": "omd_1",
        "dedup_key": f"demo:health_critical:{NOW}",
        "repo": "/repo",
        "loop_id": "demo",
        "trace_id": "tr-1",
        "category": "health_critical",
        "severity": AlertSeverity.CRITICAL,
        "row": row if isinstance(row, bytes) else json.dumps(row, separators=(",", ":")).encode(),
        "row_timestamp": NOW,
        "reason_codes": ("transport_unreachable",),
        "starts_at": NOW,
    }
    return Notification(**{**values, **changes})


def request(told: Notification, to: ResolvedSink, **secrets: str) -> SinkRequest:
    """What would be sent at :data:`NOW`."""
    return SINK_TYPES[to.type].request(told, to, Environment({**SECRETS, **secrets}), now=NOW_EPOCH)


def body(told: Notification, to: ResolvedSink, **secrets: str) -> Any:
    """The body that would be sent, decoded."""
    return json.loads(request(told, to, **secrets).body)

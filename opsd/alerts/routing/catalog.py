"""The catalog of sinks and routes: what is accepted, and which secrets it needs (contract 50, 2).

A catalog is accepted as a whole or not at all, in three passes, each with one message. What a :class:`Catalog` holds
has been checked, so nothing behind it fails on its form. Values of secrets are not part of it, only their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from opsd.alerts.model import AlertSeverity, SinkRules
from opsd.alerts.routing.sink_rules import InvalidSinkSettingError, sink_rules
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import SinkType, is_absent
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, first_present

DEFAULT_TIMEOUT_S = 5
_MAX_TIMEOUT_S = 120
_SEVERITIES = frozenset(map(str, AlertSeverity))

#: Contract 50, 2.1. ``config/ops-manager-alert-sinks.v1.json`` is this document.
EMBEDDED_CATALOG: JsonObject = {
    "schemaVersion": "v1",
    "defaultMinSeverity": "warning",
    "sinks": {
        "webhook-default": {
            "enabled": False,
            "type": "webhook",
            "urlEnv": "OPS_MANAGER_ALERT_WEBHOOK_URL",
            "authTokenEnv": "OPS_MANAGER_ALERT_WEBHOOK_TOKEN",
            "timeoutSeconds": 5,
            "headers": {"Content-Type": "application/json"},
        },
        "slack-default": {
            "enabled": False,
            "type": "slack",
            "webhookUrlEnv": "OPS_MANAGER_ALERT_SLACK_WEBHOOK_URL",
            "channel": "#ops-alerts",
            "username": "ops-manager",
            "iconEmoji": ":rotating_light:",
            "timeoutSeconds": 5,
        },
        "pagerduty-default": {
            "enabled": False,
            "type": "pagerduty_events",
            "routingKeyEnv": "OPS_MANAGER_ALERT_PAGERDUTY_ROUTING_KEY",
            "source": "superloop-ops-manager",
            "component": "ops-manager",
            "group": "loop-run",
            "class": "escalation",
            "timeoutSeconds": 5,
        },
    },
    "routing": {
        "defaultSinks": ["webhook-default"],
        "categorySeverity": {
            "divergence_detected": "warning",
            "health_degraded": "warning",
            "health_critical": "critical",
            "profile_drift_detected": "warning",
        },
        "routes": [
            {
                "category": "health_critical",
                "sinks": ["pagerduty-default", "slack-default"],
                "minSeverity": "critical",
                "enabled": True,
            },
            {"category": "health_degraded", "sinks": ["slack-default"], "minSeverity": "warning", "enabled": True},
            {"category": "divergence_detected", "sinks": ["slack-default"], "minSeverity": "warning", "enabled": True},
            {
                "category": "profile_drift_detected",
                "sinks": ["slack-default"],
                "minSeverity": "warning",
                "enabled": True,
            },
        ],
    },
}


@dataclass(frozen=True, slots=True)
class CatalogSink:
    """One sink of the catalog: its entry as it stands there, its kind, and its settings."""

    id: str
    config: JsonObject
    kind: SinkType
    rules: SinkRules

    @property
    def enabled(self) -> bool:
        """Whether anything is sent to it."""
        return self.config["enabled"] is True

    @property
    def timeout_seconds(self) -> float:
        """Limit of one request in seconds, in the catalog's spelling (5 when it names none)."""
        seconds: float = first_present(self.config.get("timeoutSeconds"), DEFAULT_TIMEOUT_S)
        return seconds

    @property
    def secret_refs(self) -> JsonObject:
        """Names of the variables with its secrets (3.3); null stands for what is not configured."""
        return self.kind.secret_refs(self.config)

    def secret_names(self, *, required_only: bool = False) -> set[str]:
        """The variables that it names; ``required_only`` leaves out those that may be unset."""
        optional = self.kind.optional_secret_refs if required_only else frozenset()
        return {name for key, name in self.secret_refs.items() if name is not None and key not in optional}


@dataclass(frozen=True, slots=True)
class Catalog:
    """An accepted catalog. ``sinks`` are in the order of the file; ``routing`` is its text's value, verbatim."""

    source_file: str
    default_min_severity: AlertSeverity
    sinks: Mapping[str, CatalogSink]
    routing: JsonObject

    @property
    def routes(self) -> list[JsonObject]:
        """The routes, none when the catalog has none."""
        routes: list[JsonObject] = first_present(self.routing.get("routes"), None) or []
        return routes

    def secret_names(self) -> list[str]:
        """Every variable that any sink names, enabled or not; sorted, each once (3.3)."""
        return sorted({name for sink in self.sinks.values() for name in sink.secret_names()})

    def enabled_secret_names(self) -> list[str]:
        """Every variable that must be set because an enabled sink needs it; sorted, each once (2.4)."""
        enabled = [sink for sink in self.sinks.values() if sink.enabled]
        return sorted({name for sink in enabled for name in sink.secret_names(required_only=True)})


def parse_catalog(document: JsonValue, *, source_file: str) -> Catalog:
    """The catalog in ``document``; ``source_file`` is where it came from, as a person named it.

    Raises:
        UsageError: one of the three messages of 2.3.
    """
    if not _has_shape(document):
        raise UsageError("alert sink config has invalid top-level shape")
    sinks = {name: _sink(name, config) for name, config in document["sinks"].items()}
    if not _is_routing(document["routing"], sinks.keys()):
        raise UsageError("alert sink config routing is invalid")
    return Catalog(
        source_file=source_file,
        default_min_severity=AlertSeverity(document["defaultMinSeverity"]),
        sinks=sinks,
        routing=document["routing"],
    )


def check_environment(catalog: Catalog, env: Mapping[str, str]) -> None:
    """Every enabled sink has its secrets, whether or not a route leads to it (2.4).

    Raises:
        UsageError: ``enabled sink secret env var(s) are unset: <NAME> ...``.
    """
    unset = [name for name in catalog.enabled_secret_names() if not env.get(name)]
    if unset:
        raise UsageError(f"enabled sink secret env var(s) are unset: {' '.join(unset)}")


def _has_shape(document: JsonValue) -> bool:
    root, routing = as_object(document), as_object(as_object(document).get("routing"))
    routes, sinks = routing.get("routes"), root.get("sinks")
    return (
        root.get("schemaVersion") == "v1"
        and _is_severity(root.get("defaultMinSeverity"))
        and isinstance(sinks, dict)
        and bool(sinks)
        and isinstance(routing.get("defaultSinks"), list)
        and isinstance(routing.get("categorySeverity"), dict)
        and (is_absent(routes) or isinstance(routes, list))
    )


def _sink(name: str, config: JsonValue) -> CatalogSink:
    entry = as_object(config)
    type_name, timeout = entry.get("type"), entry.get("timeoutSeconds")
    kind = SINK_TYPES.get(type_name) if isinstance(type_name, str) else None
    if (
        kind is not None
        and isinstance(entry.get("enabled"), bool)
        and (is_absent(timeout) or _is_timeout(timeout))
        and kind.is_valid(entry)
    ):
        try:
            return CatalogSink(id=name, config=entry, kind=kind, rules=sink_rules(entry, kind.default_rate))
        except InvalidSinkSettingError:
            pass
    raise UsageError("alert sink config sink definitions are invalid")


def _is_timeout(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= _MAX_TIMEOUT_S


def _is_routing(routing: JsonObject, known: Set[str]) -> bool:
    routes = first_present(routing.get("routes"), None) or []
    return (
        _name_sinks(routing["defaultSinks"], known)
        and all(_is_route(route, known) for route in routes)
        and all(map(_is_severity, routing["categorySeverity"].values()))
    )


def _is_route(route: JsonValue, known: Set[str]) -> bool:
    if not isinstance(route, dict):
        return False
    category, enabled = route.get("category"), route.get("enabled")
    sinks, severity = route.get("sinks"), route.get("minSeverity")
    return (
        isinstance(category, str)
        and category != ""
        and (enabled is None or isinstance(enabled, bool))
        and (is_absent(severity) or _is_severity(severity))
        and (is_absent(sinks) or _name_sinks(sinks, known))
    )


def _name_sinks(names: JsonValue, known: Set[str]) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) and name in known for name in names)


def _is_severity(value: JsonValue) -> bool:
    return isinstance(value, str) and value in _SEVERITIES

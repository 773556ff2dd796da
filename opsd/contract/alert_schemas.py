"""The schemas of the alert configuration: the catalog of sinks (contract 50, 2.2) and the delivery file (12.3 (b)).

They are documentation for editors and reviewers; what is enforced is in :mod:`opsd.alerts`. Both are written here by
hand: their variants and patterns are not what a type says.
"""

from __future__ import annotations

from typing import Any

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: dict[str, Any] = {"type": "string"}
_TEXT1: dict[str, Any] = {"type": "string", "minLength": 1}
_BOOLEAN: dict[str, Any] = {"type": "boolean"}
_SECONDS: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 366 * 86400}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
_SEVERITY: dict[str, Any] = {"$ref": "#/$defs/severity"}
_ENV_NAME: dict[str, Any] = {"$ref": "#/$defs/envVarName"}
_LABEL_NAMES = ["loopId", "category", "severity", "transport", "reasonCode", "sinkId"]


def generate() -> dict[str, dict[str, Any]]:
    """File name to schema document."""
    return {
        "ops-manager-alert-sinks.config.schema.json": _catalog(),
        "ops-manager-alert-delivery.config.schema.json": _delivery(),
    }


def _map_of(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": list(required)} if required else shape


def _catalog() -> dict[str, Any]:
    routing = _closed(
        {
            "defaultSinks": {"type": "array", "items": _TEXT1},
            "categorySeverity": _map_of(_SEVERITY),
            "routes": {"type": "array", "items": {"$ref": "#/$defs/route"}},
        },
        "defaultSinks",
        "categorySeverity",
        "routes",
    )
    root = _closed(
        {
            "schemaVersion": {"type": "string", "const": "v1"},
            "defaultMinSeverity": _SEVERITY,
            "sinks": {**_map_of({"$ref": "#/$defs/sink"}), "minProperties": 1},
            "routing": routing,
        },
        "schemaVersion",
        "defaultMinSeverity",
        "sinks",
        "routing",
    )
    route = _closed(
        {
            "category": _TEXT1,
            "enabled": _BOOLEAN,
            "minSeverity": _SEVERITY,
            "sinks": {"type": "array", "items": _TEXT1},
        },
        "category",
    )
    variants = _sink_variants()
    return {
        "$schema": _DIALECT,
        "$id": "https://superloop.sh/schemas/ops-manager-alert-sinks-config-v1.json",
        "title": "OpsManagerAlertSinksConfigV1",
        **root,
        "$defs": {
            "severity": {"type": "string", "enum": ["info", "warning", "critical"]},
            "envVarName": {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$"},
            "route": route,
            "sink": {"type": "object", "oneOf": [{"$ref": f"#/$defs/{name}"} for name in variants]},
            "sinkCommon": _sink_common(list(_TYPE_NAMES.values())),
            **variants,
        },
    }


_TYPE_NAMES = {
    "webhookSink": "webhook",
    "slackSink": "slack",
    "pagerdutySink": "pagerduty_events",
    "alertmanagerSink": "alertmanager",
}


def _sink_common(types: list[str]) -> dict[str, Any]:
    """What every sink may have: the contract's part, and the settings for delivery."""
    return {
        "type": "object",
        "required": ["enabled", "type"],
        "properties": {
            "enabled": _BOOLEAN,
            "type": {"type": "string", "enum": types},
            "timeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 120},
            "retry": _closed(
                {"baseSeconds": _SECONDS, "capSeconds": _SECONDS, "maxAttempts": _COUNT, "maxAgeSeconds": _SECONDS}
            ),
            "rateLimit": _closed(
                {
                    "perSecond": {"type": "number", "minimum": 1e-6, "maximum": 1e9},
                    "burst": {"type": "number", "minimum": 1, "maximum": 1e9},
                }
            ),
            "sendResolved": _BOOLEAN,
            "dedupKeyMode": {"type": "string", "enum": ["row", "incident"]},
            "maxBodyBytes": _COUNT,
            "allowInsecureHttp": _BOOLEAN,
            "resendSeconds": {**_SECONDS, "minimum": 1},
        },
    }


def _sink_variants() -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = {
        "webhookSink": {
            "urlEnv": _ENV_NAME,
            "authTokenEnv": _ENV_NAME,
            "headers": _map_of(_TEXT),
            "signingSecretEnv": _ENV_NAME,
            "signingSecretPreviousEnv": _ENV_NAME,
        },
        "slackSink": {"webhookUrlEnv": _ENV_NAME, "channel": _TEXT, "username": _TEXT, "iconEmoji": _TEXT},
        "pagerdutySink": {
            "routingKeyEnv": _ENV_NAME,
            "source": _TEXT,
            "component": _TEXT,
            "group": _TEXT,
            "class": _TEXT,
            "apiUrl": {"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"},
        },
        "alertmanagerSink": {
            "urlEnv": _ENV_NAME,
            "authTokenEnv": _ENV_NAME,
            "labels": {
                **_map_of(_TEXT),
                "propertyNames": {
                    "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$",
                    "not": {"enum": ["alertname", "loop_id", "severity", "source"]},
                },
            },
            "generatorUrl": {"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://[^\\s/]\\S*$"},
        },
    }
    return {
        name: {
            "allOf": [{"$ref": "#/$defs/sinkCommon"}],
            "required": [next(iter(own))],
            "properties": {"type": {"const": _TYPE_NAMES[name]}, **own},
        }
        for name, own in properties.items()
    }


def _delivery() -> dict[str, Any]:
    times = dict.fromkeys(("repeatIntervalSeconds", "coalesceSeconds", "resolveAfterSeconds"), _SECONDS)
    labels = {"type": "array", "items": {"$ref": "#/$defs/labelName"}}
    matchers = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/matcher"}}
    group = _closed({"by": labels, "waitSeconds": _SECONDS, "intervalSeconds": _SECONDS})
    rule = _closed({"source": matchers, "target": matchers, "equal": labels}, "source", "target")
    return {
        "$schema": _DIALECT,
        "$id": "https://superloop.sh/schemas/ops-manager-alert-delivery-config-v1.json",
        "title": "OpsManagerAlertDeliveryConfigV1",
        **_closed(
            {
                "schemaVersion": {"type": "string", "const": "v1"},
                "inhibitRules": {"type": "array", "maxItems": 1000, "items": rule},
                **times,
                "routes": _map_of(_closed({"group": group, **times})),
            }
        ),
        "$defs": {
            "labelName": {"type": "string", "enum": _LABEL_NAMES},
            "matcher": _closed(
                {
                    "name": {"$ref": "#/$defs/labelName"},
                    "value": {"type": "string", "maxLength": 1024},
                    "isRegex": _BOOLEAN,
                    "isEqual": _BOOLEAN,
                },
                "name",
                "value",
            ),
        },
    }

"""From a category to the sinks that it is told to, and what the resolver shows (contract 50, 3).

Pure: the environment is an argument, and of it only whether a variable is set ever reaches an answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsd.alerts.model import AlertSeverity, RateRules, ResolvedSink, SinkRules
from opsd.alerts.routing.catalog import DEFAULT_TIMEOUT_S, Catalog, CatalogSink
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import is_absent
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, drop_null, first_present

#: Of a sink whose type is not known; nothing is ever sent to it.
_NO_RATE = RateRules(per_second=1, burst=1)


def parse_severity(text: str) -> AlertSeverity:
    """The severity that ``text`` names, exactly.

    Raises:
        UsageError: it names none.
    """
    if text not in tuple(AlertSeverity):
        raise UsageError("--severity must be one of: info, warning, critical")
    return AlertSeverity(text)


def list_sinks(document: JsonObject) -> str:
    """One line per sink of a catalog's :func:`summary`: id, type, whether it is enabled (3.2)."""
    return "".join(f"{sink['id']}\t{sink['type']}\t{str(sink['enabled']).lower()}\n" for sink in document["sinks"])


def summary(catalog: Catalog, env: Mapping[str, str], *, env_checked: bool = True) -> JsonObject:
    """The catalog as a whole (3.3)."""
    sinks = catalog.sinks.values()
    return {
        "schemaVersion": "v1",
        "sourceFile": catalog.source_file,
        "defaultMinSeverity": str(catalog.default_min_severity),
        "sinks": [
            {
                "id": sink.id,
                "enabled": sink.enabled,
                "type": sink.kind.name,
                "timeoutSeconds": sink.timeout_seconds,
                "secretRefs": sink.secret_refs,
            }
            for sink in sinks
        ],
        "enabledSinkCount": sum(sink.enabled for sink in sinks),
        "routing": catalog.routing,
        **_environment(catalog, env, env_checked),
    }


def resolve_route(
    catalog: Catalog,
    category: str,
    severity: AlertSeverity | None,
    env: Mapping[str, str],
    *,
    env_checked: bool = True,
) -> JsonObject:
    """Where an escalation of ``category`` goes (3.4); ``severity`` when it names its own.

    A route that is switched off counts as absent: the next one of the category decides, else the default sinks (W1).
    """
    route = next((one for one in catalog.routes if one["category"] == category and one.get("enabled") is not False), {})
    minimum = AlertSeverity(first_present(route.get("minSeverity"), str(catalog.default_min_severity)))
    mapped: str | None = catalog.routing["categorySeverity"].get(category)
    event = severity or AlertSeverity(mapped or minimum)
    should_dispatch = event.rank >= minimum.rank
    names = first_present(route.get("sinks"), None) or catalog.routing["defaultSinks"]
    selected = [catalog.sinks[name] for name in names]
    return drop_null(
        {
            "schemaVersion": "v1",
            "sourceFile": catalog.source_file,
            "category": category,
            "eventSeverity": str(event),
            "categoryMappedSeverity": mapped,
            "minSeverity": str(minimum),
            "shouldDispatch": should_dispatch,
            "route": route or None,
            "selectedSinks": [sink_view(sink) for sink in selected],
            "dispatchableSinks": [sink_view(sink) for sink in selected if sink.enabled and should_dispatch],
            **_environment(catalog, env, env_checked),
        }
    )


def sink_view(sink: CatalogSink) -> JsonObject:
    """A sink as a route's answer shows it (3.4)."""
    return {
        "id": sink.id,
        "type": sink.kind.name,
        "enabled": sink.enabled,
        "timeoutSeconds": sink.timeout_seconds,
        "secretRefs": sink.secret_refs,
        "config": sink.kind.shown_config(sink.config),
    }


def resolved_sink(view: JsonValue, catalog: Catalog | None) -> ResolvedSink:
    """One of ``dispatchableSinks``, ready to be sent to.

    The view may come from a replaced resolver or from an older catalog, so nothing of it is taken for granted; what
    is missing has its default, and the type may be one that is not known. Its settings for delivery are those of the
    catalog's entry of this id and type, else the defaults of the type.
    """
    shown = as_object(view)
    sink_id, type_name = _name(shown.get("id")), _name(shown.get("type"))
    kind = SINK_TYPES.get(type_name)
    known = catalog.sinks.get(sink_id) if catalog is not None else None
    if known is not None and known.kind is kind:
        rules = known.rules
    else:
        rules = SinkRules(rate=kind.default_rate if kind is not None else _NO_RATE)
    return ResolvedSink(
        id=sink_id,
        type=type_name,
        timeout_s=_timeout(shown.get("timeoutSeconds")),
        view=shown,
        secret_refs=as_object(shown.get("secretRefs")),
        config=as_object(shown.get("config")),
        rules=rules,
    )


def _name(value: JsonValue) -> str:
    return "unknown" if is_absent(value) or value == "" else compact_text(value)


def _timeout(value: JsonValue) -> float:
    """A usable limit in seconds, whatever a replaced resolver says."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 120:
        return float(DEFAULT_TIMEOUT_S)
    return float(value)


def _environment(catalog: Catalog, env: Mapping[str, str], checked: bool) -> JsonObject:
    return {
        "envStatus": {name: {"present": bool(env.get(name))} for name in catalog.secret_names()},
        "validation": {"envCheckEnabled": checked},
    }

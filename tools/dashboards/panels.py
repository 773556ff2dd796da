"""The parts of a Grafana dashboard: panels in rows, variables, and the document around them.

Every query goes to the variable ``datasource``; the dashboards are bound to no installation. A panel's place follows
from its order: rows of 24 columns, filled from the left. Its description is what its module says, and below that the
meaning of each metric that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.dashboards.meaning import meaning

Json = dict[str, Any]

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
#: What chooses the managers that a dashboard is about.
MANAGERS = 'job=~"$job", instance=~"$instance"'
_COLUMNS = 24
_SCHEMA = 39

#: Colours of words that mean the same on every dashboard.
COLOURS = {
    "healthy": "green",
    "degraded": "orange",
    "critical": "red",
    "running": "blue",
    "awaiting_approval": "purple",
    "complete": "green",
    "stopped": "yellow",
    "failed": "red",
    "idle": "text",
    "unknown": "text",
    "success": "green",
    "failure": "red",
    "executed": "green",
    "ambiguous": "orange",
    "withheld": "blue",
    "delivered": "green",
    "dead_lettered": "red",
    "cancelled": "text",
}

_WORDS = ("{{status}}", "{{state}}", "{{outcome}}", "{{result}}")


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the legend of its series; a ``table`` query asks for the current values only."""

    expr: str
    legend: str = ""
    table: bool = False

    def target(self, index: int) -> Json:
        """As Grafana has it."""
        target: Json = {"datasource": SOURCE, "expr": self.expr, "refId": chr(ord("A") + index)}
        target["legendFormat"] = self.legend or "__auto"
        if self.table:
            target |= {"format": "table", "instant": True}
        else:
            target["range"] = True
        return target


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; ``width`` of 24 columns, ``unit`` as Grafana names it."""

    title: str
    kind: str
    queries: tuple[Query, ...]
    description: str = ""
    unit: str = "short"
    width: int = 8
    height: int = 8
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    transformations: tuple[Json, ...] = ()

    def document(self, number: int, x: int, y: int) -> Json:
        """As Grafana has it, at its place."""
        words_shown = any(query.legend in _WORDS for query in self.queries) and self.kind == "timeseries"
        overrides = [
            {
                "matcher": {"id": "byName", "options": word},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            }
            for word, colour in COLOURS.items()
        ]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": "\n\n".join(
                filter(None, (self.description, *meaning(query.expr for query in self.queries)))
            ),
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {
                "defaults": {"unit": self.unit, **self.defaults},
                "overrides": overrides if words_shown else [],
            },
            "options": self.options,
            "targets": [query.target(index) for index, query in enumerate(self.queries)],
            **({"transformations": list(self.transformations)} if self.transformations else {}),
        }


def graph(title: str, *queries: Query, unit: str = "short", stacked: bool = False, **more: Any) -> Panel:
    """Lines over time."""
    custom: Json = {"lineWidth": 1, "fillOpacity": 20 if stacked else 5, "showPoints": "never"}
    custom["stacking"] = {"mode": "normal" if stacked else "none"}
    return Panel(
        title,
        "timeseries",
        queries,
        unit=unit,
        defaults={"custom": custom, "min": 0},
        options={
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        **more,
    )


def stat(title: str, expr: str, *, unit: str = "short", red_at: float | None = None, **more: Any) -> Panel:
    """One number; red from ``red_at`` on."""
    steps: list[Json] = [{"color": "green" if red_at is not None else "text", "value": None}]
    if red_at is not None:
        steps.append({"color": "red", "value": red_at})
    return Panel(
        title,
        "stat",
        (Query(expr),),
        unit=unit,
        width=more.pop("width", 4),
        height=more.pop("height", 4),
        defaults={"thresholds": {"mode": "absolute", "steps": steps}, "noValue": "–"},
        options={"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
        **more,
    )


def words(title: str, expr: str, legend: str, **more: Any) -> Panel:
    """What a metric with a word as its label currently says."""
    return Panel(
        title,
        "stat",
        (Query(expr, legend),),
        width=more.pop("width", 4),
        height=more.pop("height", 4),
        defaults={"color": {"mode": "fixed", "fixedColor": "text"}, "noValue": "–"},
        options={"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "name", "colorMode": "none"},
        **more,
    )


def listing(title: str, expr: str, *, unit: str = "short", hide: Sequence[str] = (), **more: Any) -> Panel:
    """The series of a query as a table."""
    hidden = ("Time", "__name__", "job", *hide)
    return Panel(
        title,
        "table",
        (Query(expr, table=True),),
        unit=unit,
        transformations=({"id": "organize", "options": {"excludeByName": dict.fromkeys(hidden, True)}},),
        **more,
    )


def variable(name: str, query: str, *, many: bool = True, anything: bool = True) -> Json:
    """A variable that offers the values of a label; "all" of them stands for ``anything``, or for those on offer."""
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        **({"allValue": ".*"} if many and anything else {}),
        **({"current": {"text": ["All"], "value": ["$__all"]}} if many else {}),
    }


#: Chooses one or several managers: ``MANAGERS``.
WHICH_MANAGERS = (
    variable("job", "label_values(opsd_build_info, job)"),
    variable("instance", 'label_values(opsd_build_info{job=~"$job"}, instance)'),
)


def document(
    uid: str, title: str, description: str, *panels: Panel, variables: Sequence[Json] = WHICH_MANAGERS
) -> Json:
    """A whole dashboard."""
    placed, x, y, row_height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(panel.document(number, x, y))
        x, row_height = x + panel.width, max(row_height, panel.height)
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["opsd"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "links": [
            {
                "type": "dashboards",
                "title": "opsd",
                "tags": ["opsd"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "annotations": {"list": []},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
                *variables,
            ]
        },
        "panels": placed,
    }

"""``docs/reference/metrics.md``: every metric of both services."""

from __future__ import annotations

from collections.abc import Iterable

from tools.declared_metrics import Metric, daemon_metrics, sprite_metrics
from tools.reference.markdown import code, page, table

_INTRO = """A family without a series is not in a scrape: a breaker that never opened, a loop without reasons. A
metric that names a word by a label (`state`, `status`, `mode`) is 1 for the current word and has no series for the
others. Series with the label `loop` vanish with their loop; every other label is a closed set, or cut at a hundred
values (`other` is the rest). A loop has 5 to 15 gauges, one more per health reason, and 11 counters. Moments are
seconds since 1970: `time() - …` is an age.

Rules and dashboards over them are in `deploy/prometheus/` and `deploy/grafana/`; what to do when a rule fires
stands in the [runbook](../runbook.md)."""

_SPRITE = """`GET /metrics` of every `sprite-service`; it asks for the service's token. A scrape is a request: it
keeps a sprite awake that would otherwise sleep."""

_GROUPS = (
    ("Loops", ("opsd_loop_",)),
    ("Delivery of alerts", ("opsd_alert_",)),
    ("Fleet, policy and autonomy", ("opsd_fleet_",)),
    ("Promotion, drills and the Horizon bridge", ("opsd_promotion_", "opsd_horizon_", "opsd_job_")),
    ("API and tokens", ("opsd_http_", "opsd_principals", "opsd_api_", "opsd_stream_")),
    ("Process", ("process_",)),
)


def document() -> str:
    """The page."""
    parts = [_INTRO, "## Daemon"]
    rest = daemon_metrics()
    for title, prefixes in _GROUPS:
        chosen = [metric for metric in rest if metric.name.startswith(prefixes)]
        rest = [metric for metric in rest if metric not in chosen]
        if chosen:
            parts += [f"### {title}", _table(chosen)]
    parts += ["### The daemon itself", _table(rest), "## Sprite service", _SPRITE, _table(sprite_metrics())]
    return page("Metrics", *parts)


def _table(metrics: Iterable[Metric]) -> str:
    return table(
        ("metric", "type", "labels", "meaning"),
        [(code(one.name), one.kind, " ".join(map(code, one.labels)), one.text) for one in metrics],
    )

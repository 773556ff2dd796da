"""Delivery of alerts: what is owed, what ended how, and how the sinks do."""

from __future__ import annotations

from tools.dashboards.panels import MANAGERS as M
from tools.dashboards.panels import Json, Query, document, graph, listing, stat

_OLDEST = "opsd_loop_alerts_oldest_pending_timestamp_seconds"


def dashboard() -> Json:
    """The dashboard."""
    return document(
        "opsd-alerts",
        "opsd / Alert delivery",
        "Whether what was escalated reaches somebody.",
        stat("Pending", f"sum(opsd_loop_alerts_pending{{{M}}})"),
        stat("Oldest pending, age", f"max(time() - {_OLDEST}{{{M}}})", unit="s", red_at=300),
        stat("Dead letters", f"sum(opsd_loop_alerts_dead_letters{{{M}}})", red_at=1),
        stat(
            "Sinks left alone",
            f'count(opsd_alert_sink_breaker{{{M}, state=~"open|blocked"}} == 1) or vector(0)',
            red_at=1,
            description="Sinks whose breaker is open, or blocked by an answer that needs a person.",
        ),
        stat("Silences", f"sum(opsd_alert_silences_active{{{M}}})"),
        stat("Catalog usable", f"min(opsd_alert_config_usable{{{M}}})"),
        graph(
            "Deliveries that ended, per hour",
            Query(f"sum by (outcome) (increase(opsd_alert_deliveries_total{{{M}}}[1h]))", "{{outcome}}"),
            stacked=True,
            width=12,
        ),
        graph(
            "Delivered per hour, by sink",
            Query(f'sum by (sink) (increase(opsd_alert_deliveries_total{{{M}, outcome="delivered"}}[1h]))', "{{sink}}"),
            width=12,
        ),
        graph(
            "Requests by what came of them",
            Query(
                f"sum by (sink, reason) (rate(opsd_alert_attempts_total{{{M}}}[$__rate_interval]))",
                "{{sink}}: {{reason}}",
            ),
            unit="reqps",
            width=12,
        ),
        graph(
            "Share of requests that fail",
            Query(f"instance_sink:opsd_alert_attempts_failed:ratio_rate10m{{{M}}}", "{{sink}}"),
            unit="percentunit",
            width=12,
            description="Of those that ended within ten minutes.",
        ),
        graph(
            "Duration of a request",
            Query(
                "histogram_quantile(0.5, sum by (le)"
                f" (rate(opsd_alert_request_duration_seconds_bucket{{{M}}}[$__rate_interval])))",
                "half",
            ),
            Query(f"max(instance:opsd_alert_request_duration_seconds:p99_10m{{{M}}})", "99 of 100"),
            unit="s",
        ),
        graph(
            "Loops that are being told of",
            Query(f"sum(opsd_alert_runs{{{M}}})", "under way"),
            Query(f"sum(opsd_alert_runs_waiting{{{M}}})", "waiting"),
        ),
        graph(
            "Runs that failed, per hour",
            Query(f"sum by (code) (increase(opsd_alert_dispatch_failures_total{{{M}}}[1h]))", "{{code}}"),
        ),
        listing("Circuit breakers", f"opsd_alert_sink_breaker{{{M}}} == 1", hide=("Value",)),
        listing("Dead letters", f"opsd_loop_alerts_dead_letters{{{M}}} > 0"),
        listing("Owed the longest", f"topk(20, time() - {_OLDEST}{{{M}}})", unit="s"),
    )

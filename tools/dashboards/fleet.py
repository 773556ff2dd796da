"""The fleet at a glance: how many loops are in which state, who is in trouble, and since when."""

from __future__ import annotations

from tools.dashboards.panels import MANAGERS as M
from tools.dashboards.panels import Json, Query, document, graph, listing, stat

_AGE = "time() - "


def dashboard() -> Json:
    """The dashboard."""
    return document(
        "opsd-fleet",
        "opsd / Fleet",
        "Every loop that a manager supervises.",
        stat("Loops", f"sum(opsd_loops{{{M}}})"),
        stat("Critical", f'count(opsd_loop_health{{{M}, status="critical"}} == 1) or vector(0)', red_at=1),
        stat("Degraded", f'count(opsd_loop_health{{{M}, status="degraded"}} == 1) or vector(0)', red_at=1),
        stat("Wait for approval", f'count(opsd_loop_state{{{M}, state="awaiting_approval"}} == 1) or vector(0)'),
        stat(
            "Unreachable",
            f"count(opsd_loop_transport_failure_streak{{{M}}} >= 3) or vector(0)",
            red_at=1,
            description="Loops whose last three passes failed.",
        ),
        stat("Not usable", f"sum(opsd_loops_unusable{{{M}}})", red_at=1),
        graph(
            "Health",
            Query(f"sum by (status) (instance_status:opsd_loop_health:count{{{M}}})", "{{status}}"),
            stacked=True,
            width=12,
        ),
        graph(
            "Lifecycle",
            Query(f"sum by (state) (instance_state:opsd_loop_state:count{{{M}}})", "{{state}}"),
            stacked=True,
            width=12,
        ),
        graph(
            "Reasons",
            Query(f"sum by (reason) (instance_reason:opsd_loop_health_reason:count{{{M}}})", "{{reason}}"),
            stacked=True,
            width=12,
            description="Loops by health reason; a loop may have several.",
        ),
        graph(
            "Escalations per hour",
            Query(f"sum by (category) (increase(opsd_loop_escalations_total{{{M}}}[1h]))", "{{category}}"),
            width=12,
        ),
        listing(
            "In trouble",
            f"opsd_loop_health_reason{{{M}}} == 1",
            hide=("Value",),
            width=12,
            description="Each reason of each loop that is not healthy.",
        ),
        listing(
            "Wait for approval", f'opsd_loop_state{{{M}, state="awaiting_approval"}} == 1', hide=("Value",), width=6
        ),
        listing(
            "Silent the longest",
            f"topk(20, {_AGE}opsd_loop_last_event_timestamp_seconds{{{M}}})",
            unit="s",
            width=6,
            description="Age of the newest event.",
        ),
        graph(
            "Events taken in", Query(f"instance:opsd_loop_events_ingested:rate5m{{{M}}}", "{{instance}}"), unit="ops"
        ),
        graph(
            "How loops are watched",
            Query(f"count by (mode) (opsd_loop_observation{{{M}}} == 1)", "{{mode}}"),
            stacked=True,
        ),
        graph(
            "Wake-ups of idle sprites",
            Query(f"instance:opsd_loop_wakeups:rate1h{{{M}}} * 3600", "{{instance}}, per hour"),
            description="A sprite that is awake costs money.",
        ),
    )

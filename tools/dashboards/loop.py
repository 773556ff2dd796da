"""One loop: what it does, how it is, how the manager reaches it."""

from __future__ import annotations

from tools.dashboards.panels import (
    MANAGERS,
    WHICH_MANAGERS,
    Json,
    Query,
    document,
    graph,
    listing,
    stat,
    variable,
    words,
)

M = MANAGERS + ', loop="$loop"'


def dashboard() -> Json:
    """The dashboard."""
    return document(
        "opsd-loop",
        "opsd / One loop",
        "One loop: lifecycle, health, how it is reached, its alerts.",
        words("State", f"opsd_loop_state{{{M}}} == 1", "{{state}}"),
        words("Health", f"opsd_loop_health{{{M}}} == 1", "{{status}}"),
        words("Watched by", f"opsd_loop_observation{{{M}}} == 1", "{{mode}}"),
        words("Last intent", f"opsd_loop_last_control{{{M}}} == 1", "{{status}}"),
        stat("Newest event, age", f"time() - opsd_loop_last_event_timestamp_seconds{{{M}}}", unit="s"),
        stat("Last good pass, age", f"time() - opsd_loop_last_reconcile_success_timestamp_seconds{{{M}}}", unit="s"),
        graph("Lifecycle", Query(f"opsd_loop_state{{{M}}}", "{{state}}"), stacked=True, width=12),
        graph("Health", Query(f"opsd_loop_health{{{M}}}", "{{status}}"), stacked=True, width=12),
        graph(
            "Reasons",
            Query(f"opsd_loop_health_reason{{{M}}}", "{{reason}} ({{severity}})"),
            stacked=True,
            width=12,
        ),
        graph(
            "Escalations per hour", Query(f"increase(opsd_loop_escalations_total{{{M}}}[1h])", "{{category}}"), width=12
        ),
        graph("Events", Query(f"rate(opsd_loop_events_ingested_total{{{M}}}[$__rate_interval])", "events"), unit="ops"),
        graph(
            "Ages",
            Query(f"time() - opsd_loop_last_event_timestamp_seconds{{{M}}}", "newest event"),
            Query(f"time() - opsd_loop_last_heartbeat_timestamp_seconds{{{M}}}", "last heartbeat"),
            unit="s",
        ),
        graph(
            "Journal lines taken in",
            Query(f"opsd_loop_cursor_offset_lines{{{M}}}", "cursor"),
            description="Goes back only where somebody reset the cursor.",
        ),
        graph("Failed passes in a row", Query(f"opsd_loop_transport_failure_streak{{{M}}}", "streak")),
        graph(
            "Requests to the sprite",
            Query(f"rate(opsd_loop_sprite_requests_total{{{M}}}[$__rate_interval])", "{{kind}}"),
            Query(f"rate(opsd_loop_stream_connects_total{{{M}}}[$__rate_interval])", "streams opened"),
            Query(f"rate(opsd_loop_wakeups_total{{{M}}}[$__rate_interval])", "wake-ups"),
            unit="reqps",
        ),
        graph(
            "Alerts",
            Query(f"opsd_loop_alerts_pending{{{M}}}", "pending"),
            Query(f"opsd_loop_alerts_dead_letters{{{M}}}", "dead letters"),
        ),
        listing(
            "Threshold profile: drift", f"opsd_loop_profile_drift{{{M}}} == 1", hide=("Value",), width=12, height=5
        ),
        listing(
            "Threshold profile: recommended",
            f"opsd_loop_recommended_profile{{{M}}} == 1",
            hide=("Value",),
            width=12,
            height=5,
        ),
        variables=[
            *WHICH_MANAGERS,
            variable("loop", 'label_values(opsd_loop_health{job=~"$job", instance=~"$instance"}, loop)', many=False),
        ],
    )

"""The series of a loop, declared: name, help text and where the value stands in what is known of the loop.

Cardinality: per loop 5 to 15 gauges, one more per health reason, and 11 counters, so about 22,000 series at 1,000
loops; all of them vanish with their loop. How the text is made, and what a scrape costs: :mod:`.loops`.
"""

from __future__ import annotations

from collections.abc import Iterable

from opsd.contract.reasons import EscalationCategory
from opsd.supervisor.metrics.exposition import label_value
from opsd.supervisor.metrics.loops import MAX_REASONS, CounterSpec, GaugeSpec, LoopSample

EVENTS = "opsd_loop_events_ingested_total"
ESCALATIONS = "opsd_loop_escalations_total"
SPRITE_REQUESTS = "opsd_loop_sprite_requests_total"
STREAM_CONNECTS = "opsd_loop_stream_connects_total"
WAKEUPS = "opsd_loop_wakeups_total"


def _word(label: str, word: str | None) -> Iterable[tuple[str, float]]:
    return [(f',{label}="{label_value(word)}"', 1)] if word else []


def _value(value: float | None) -> Iterable[tuple[str, float]]:
    return [("", value)] if value is not None else []


def _reasons(sample: LoopSample) -> Iterable[tuple[str, float]]:
    return [
        (f',reason="{label_value(code)}",severity="{label_value(severity)}"', 1)
        for code, severity in sample.reasons[:MAX_REASONS]
    ]


LOOP_GAUGES = (
    GaugeSpec(
        "opsd_loop_state",
        "Lifecycle state of the loop's run: 1 for the current state, no series for the others.",
        lambda sample: _word("state", sample.state),
    ),
    GaugeSpec(
        "opsd_loop_health",
        "Health of the loop: 1 for the current status (healthy, degraded, critical), no series for the others.",
        lambda sample: _word("status", sample.health),
    ),
    GaugeSpec("opsd_loop_health_reason", "1 for each reason that the loop is not healthy.", _reasons),
    GaugeSpec(
        "opsd_loop_observation",
        "How the loop is watched just now: 1 for the current mode, no series for the others.",
        lambda sample: _word("mode", sample.observation),
    ),
    GaugeSpec(
        "opsd_loop_last_event_timestamp_seconds",
        "Time of the newest event of the loop, by the runtime's clock.",
        lambda sample: _value(sample.last_event_at),
    ),
    GaugeSpec(
        "opsd_loop_last_heartbeat_timestamp_seconds",
        "Time of the last heartbeat of the loop's runtime, by the runtime's clock.",
        lambda sample: _value(sample.last_heartbeat_at),
    ),
    GaugeSpec(
        "opsd_loop_last_reconcile_success_timestamp_seconds",
        "Time of the last successful pass over the loop.",
        lambda sample: _value(sample.last_success_at),
    ),
    GaugeSpec(
        "opsd_loop_transport_failure_streak",
        "Failed passes over the loop since the last successful one.",
        lambda sample: _value(sample.transport_failure_streak),
    ),
    GaugeSpec(
        "opsd_loop_last_control",
        "Status of the loop's last control intent: 1 for the current one, no series for the others.",
        lambda sample: _word("status", sample.control_status),
    ),
    GaugeSpec(
        "opsd_loop_profile_drift",
        "Result of the last profile drift evaluation: 1 for the current status, no series for the others.",
        lambda sample: _word("status", sample.drift_status),
    ),
    GaugeSpec(
        "opsd_loop_recommended_profile",
        "1 for the threshold profile that the newest telemetry recommends.",
        lambda sample: _word("profile", sample.recommended_profile),
    ),
    GaugeSpec(
        "opsd_loop_alerts_pending",
        "Deliveries of the loop's alerts that are not over.",
        lambda sample: _value(sample.alerts_pending),
    ),
    GaugeSpec(
        "opsd_loop_alerts_oldest_pending_timestamp_seconds",
        "Time the loop's oldest pending alert was taken in; no series when none is pending.",
        lambda sample: _value(sample.alerts_oldest_pending_at),
    ),
    GaugeSpec(
        "opsd_loop_alerts_dead_letters",
        "Deliveries of the loop's alerts that were given up and not replayed since.",
        lambda sample: _value(sample.alerts_dead_letters),
    ),
    GaugeSpec(
        "opsd_loop_cursor_offset_lines",
        "Journal lines of the loop that were taken in.",
        lambda sample: _value(sample.cursor_offset),
    ),
)

LOOP_COUNTERS = (
    CounterSpec(EVENTS, "Events of the loop that were taken in."),
    CounterSpec(
        ESCALATIONS,
        "Escalations raised for the loop.",
        "category",
        tuple(category.value for category in EscalationCategory),
    ),
    CounterSpec(
        SPRITE_REQUESTS,
        "Requests sent to the loop's sprite service, by what they ask for.",
        "kind",
        ("snapshot", "events", "stream"),
    ),
    CounterSpec(STREAM_CONNECTS, "Event streams of the loop that were opened."),
    CounterSpec(WAKEUPS, "Requests sent while the loop's run was not active; each may have woken an idle sprite."),
)

"""Codes of alerts, from the row that asks for one to the delivery that was given up."""

from __future__ import annotations

from opsd.alerts.decide import Reason as AlertReason
from opsd.alerts.retry import GiveUp
from opsd.alerts.rows import Unusable
from opsd.alerts.target_state import Refusal
from tools.reference.meanings.codes import Codes

ALERTS = (
    Codes(
        "Alerts that nobody is told",
        "`reasonCode` of skipped rows in `telemetry/alerts.jsonl`.",
        AlertReason,
        {
            "severity_below_min": "below the least severity of its route",
            "no_dispatchable_sinks": "no sink of its route is enabled",
            "inhibited": "another incident that is open mutes it",
            "silenced": "a silence is in force for it; told when that ends while it is still so",
            "coalesced": "told together with another one of its category",
        },
    ),
    Codes(
        "Rows that are no alert",
        "`reasonCode` of failed rows in `telemetry/alerts.jsonl`.",
        Unusable,
        {
            "blank": "an empty line: passed over without a row",
            "invalid_escalation_json": "a line that is no JSON object",
            "missing_escalation_category": "a row without a category",
        },
    ),
    Codes(
        "Requests to sinks that did not work",
        "`lastError` of a sink, `telemetry/alert-deliveries.jsonl`, `opsd_alert_attempts_total{reason}` "
        "(`ok`: it worked).",
        "opsd/alerts/retry.py",
        {
            "http_error": "the sink answered with an error status",
            "request_failed": "no answer: refused, timed out, or broken off",
            "missing_secret": "the variable that holds the sink's address or key is unset",
        },
    ),
    Codes(
        "Requests to sinks that wait",
        "`reasonCode` of a delivery that is pending.",
        Refusal,
        {
            "rate_limited": "the sink's own rate limit; it goes as soon as there is room",
            "circuit_open": "the sink answered nothing but errors and is left alone for a while",
        },
    ),
    Codes(
        "Deliveries that were given up",
        "A dead letter's reason.",
        GiveUp,
        {
            "permanent_failure": "the sink refused it for good",
            "attempt_limit": "tried as often as the sink's settings allow",
            "age_limit": "tried for as long as the sink's settings allow",
        },
    ),
    Codes(
        "Rows of alert telemetry",
        "`reasonCode` of `telemetry/alerts.jsonl` beside those above.",
        "opsd/alerts/telemetry.py",
        {
            "route_resolution_failed": "catalog or program could not tell a route",
            "invalid_route_resolution": "a replaced resolver answered something that is no route",
            "dispatch_failed": "no sink took it",
            "partial_dispatch_failure": "some sinks took it",
            "alert_dispatch_failed": "the dispatcher as a whole failed",
        },
    ),
)

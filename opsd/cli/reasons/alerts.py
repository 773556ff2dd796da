"""What the reason codes about the delivery of alerts mean; backticks are Markdown of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Alerts that nobody is told.
UNTOLD: Final[Mapping[str, str]] = {
    "severity_below_min": "below the least severity of its route",
    "no_dispatchable_sinks": "no sink of its route is enabled",
    "inhibited": "another incident that is open mutes it",
    "silenced": "a silence is in force for it; told when that ends while it is still so",
    "coalesced": "told together with another one of its category",
}

#: Rows that are no alert.
UNUSABLE_ROWS: Final[Mapping[str, str]] = {
    "blank": "an empty line: passed over without a row",
    "invalid_escalation_json": "a line that is no JSON object",
    "missing_escalation_category": "a row without a category",
}

#: Requests to sinks that did not work.
FAILED_REQUESTS: Final[Mapping[str, str]] = {
    "http_error": "the sink answered with an error status",
    "request_failed": "no answer: refused, timed out, or broken off",
    "missing_secret": "the variable that holds the sink's address or key is unset",
}

#: Requests to sinks that wait.
WAITING_REQUESTS: Final[Mapping[str, str]] = {
    "rate_limited": "the sink's own rate limit; it goes as soon as there is room",
    "circuit_open": "the sink answered nothing but errors and is left alone for a while",
}

#: Deliveries that were given up.
GIVEN_UP: Final[Mapping[str, str]] = {
    "permanent_failure": "the sink refused it for good",
    "attempt_limit": "tried as often as the sink's settings allow",
    "age_limit": "tried for as long as the sink's settings allow",
}

#: Rows of alert telemetry.
ALERT_TELEMETRY: Final[Mapping[str, str]] = {
    "route_resolution_failed": "catalog or program could not tell a route",
    "invalid_route_resolution": "a replaced resolver answered something that is no route",
    "dispatch_failed": "no sink took it",
    "partial_dispatch_failure": "some sinks took it",
    "alert_dispatch_failed": "the dispatcher as a whole failed",
}

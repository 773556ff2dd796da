"""The metrics of who asks: refusals by reason, and whether the principals file on disk is the one in force.

Cardinality: one series per reason of a closed set; nothing is labelled with a principal, an address or a token.
"""

from __future__ import annotations

from opsd.access.authenticate import RefusalReason
from opsd.supervisor.metrics.exposition import Family


class AccessMetrics:
    """For the event loop's thread only."""

    def __init__(self) -> None:
        self._refusals = Family(
            "counter", "opsd_http_refusals_total", "Requests that were refused for who asked, by reason.", ("reason",)
        )
        self._ok = Family(
            "gauge", "opsd_principals_last_reload_successful", "1 when the principals file on disk is in force, else 0."
        )
        self._principals = Family("gauge", "opsd_principals", "Principals in force.")
        self._expiry = Family(
            "gauge",
            "opsd_principals_next_expiry_timestamp_seconds",
            "Time the first of the live tokens expires; no series when none does.",
        )
        for reason in RefusalReason:
            self._refusals.inc(reason.value, by=0)

    def refused(self, reason: RefusalReason) -> None:
        """A request was refused."""
        self._refusals.inc(reason.value)

    def refusals(self, reason: RefusalReason) -> float:
        """How many were refused for a reason."""
        return self._refusals.value(reason.value) or 0

    def looked(self, *, good: bool, principals: int, next_expiry: int | None) -> None:
        """The principals file was looked at; ``next_expiry`` in seconds since 1970."""
        self._ok.set(int(good))
        self._principals.set(principals)
        if next_expiry is None:
            self._expiry.keep(lambda _labels: False)
        else:
            self._expiry.set(next_expiry)

    def render(self) -> bytes:
        """The families as text."""
        return b"".join(family.render() for family in (self._refusals, self._ok, self._principals, self._expiry))

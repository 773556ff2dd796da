"""Metrics of alert delivery (contract 50, R20).

Labels are the catalog's sinks and closed sets of words, cut at a hundred values; a sink's series vanish when the
catalog no longer has it. What the deliveries' threads report is taken over at the scrape: the families themselves
belong to the event loop's thread. What stands per loop (pending, dead letters) is with the other series of the loop.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

import structlog

from opsd.alerts.outbox import Delivery, DeliveryState, Entry, Origin
from opsd.contract.jsoncodec import JsonObject
from opsd.supervisor.metrics.exposition import Family, Histogram

_DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_OUTCOMES = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.DEAD: "dead_lettered",
    DeliveryState.CANCELLED: "cancelled",
}


class AlertMetrics:
    """The families, and the observer that every run reports to, which also puts each delivery's end into the log."""

    def __init__(self) -> None:
        self._deliveries = Family(
            "counter", "opsd_alert_deliveries_total", "Deliveries that ended, by sink and outcome.", ("sink", "outcome")
        )
        self._attempts = Family(
            "counter",
            "opsd_alert_attempts_total",
            "Requests to sinks that ended, and those that could not be built, by sink and reason code (none: ok).",
            ("sink", "reason"),
        )
        self._duration = Histogram(
            "opsd_alert_request_duration_seconds", "Duration of a request to a sink.", _DURATION_BUCKETS
        )
        self._failures = Family(
            "counter",
            "opsd_alert_dispatch_failures_total",
            "Runs over a loop's alerts that failed.",
            ("code",),
        )
        self._breaker = Family(
            "gauge",
            "opsd_alert_sink_breaker",
            "Circuit breaker of the sink's target: 1 for the current state, no series for the others.",
            ("sink", "state"),
        )
        self._silences = Family("gauge", "opsd_alert_silences_active", "Silences that are in force.")
        self._config_ok = Family(
            "gauge", "opsd_alert_config_usable", "1 when catalog, delivery file and silences can be used, else 0."
        )
        self._running = Family("gauge", "opsd_alert_runs", "Loops whose alerts are being delivered.")
        self._waiting = Family("gauge", "opsd_alert_runs_waiting", "Loops whose alerts wait for their turn.")
        self._log = structlog.get_logger("opsd.alerts")
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._attempted: Counter[tuple[str, str]] = Counter()
        self._durations: list[float] = []

    def attempted(self, delivery: Delivery, duration_s: float) -> None:
        """See :class:`opsd.alerts.means.Observer`."""
        code = delivery.last.get("reasonCode")
        if code:
            self._log.warning(
                "alert.attempt_failed",
                sink=delivery.sink_id,
                id=delivery.id,
                attempt=delivery.attempts,
                code=code,
                http_status=delivery.last.get("httpStatus"),
                message=delivery.last.get("message"),
            )
        with self._lock:
            self._attempted[delivery.sink_id, str(code) if code else "ok"] += 1
            if duration_s > 0:
                self._durations.append(duration_s)
        if len(self._durations) > 10_000:  # nobody scrapes
            with self._lock:
                del self._durations[:5_000]

    def ended(self, entry: Entry, delivery: Delivery) -> None:
        """See :class:`opsd.alerts.means.Observer`.

        What is only told again to a receiver that forgets does not count, and is not worth a line in the
        log.
        """
        outcome = _OUTCOMES.get(delivery.state)
        if outcome is None or entry.origin is Origin.REFRESH:
            return
        with self._lock:
            self._ended[delivery.sink_id, outcome] += 1
        tell = self._log.error if delivery.state is DeliveryState.DEAD else self._log.info
        tell(
            f"alert.{outcome}",
            loop=entry.escalation.loop_id,
            category=entry.escalation.category,
            action=entry.action.value,
            sink=delivery.sink_id,
            id=delivery.id,
            attempts=delivery.attempts,
            code=delivery.last.get("reasonCode"),
        )

    def count_failure(self, code: str) -> None:
        """A run over a loop's alerts failed."""
        self._failures.inc(code)

    def set_runs(self, running: int, waiting: int) -> None:
        """How many loops are worked on, and how many wait."""
        self._running.set(running)
        self._waiting.set(waiting)

    def show(self, views: Iterable[JsonObject], sink_ids: frozenset[str] | None, silences: int, usable: bool) -> None:
        """What a look at the shared files showed; ``sink_ids`` None: the catalog cannot be used, all sinks stay."""
        self._breaker.keep(lambda _labels: False)
        for view in views:
            if sink_ids is None or view["id"] in sink_ids:
                self._breaker.set(1, str(view["id"]), str(view["state"]))
        if sink_ids is not None:
            for family in (self._deliveries, self._attempts):
                family.keep(lambda labels: labels[0] in sink_ids or labels[0] == "other")
        self._silences.set(silences)
        self._config_ok.set(int(usable))

    def render(self) -> bytes:
        """All families as text."""
        with self._lock:
            ended, self._ended = self._ended, Counter()
            attempted, self._attempted = self._attempted, Counter()
            durations, self._durations = self._durations, []
        for labels, count in ended.items():
            self._deliveries.inc(*labels, by=count)
        for labels, count in attempted.items():
            self._attempts.inc(*labels, by=count)
        for duration_s in durations:
            self._duration.observe(duration_s)
        return b"".join(item.render() for item in vars(self).values() if isinstance(item, Family | Histogram))

"""Metrics of alert delivery: what is counted, what vanishes."""

from __future__ import annotations

from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin
from opsd.alerts.records.rows import Escalation, read_line
from opsd.supervisor.alerts.metrics import AlertMetrics


def entry(origin: Origin = Origin.ROW) -> Entry:
    row = read_line(1, b'{"category":"health_critical"}', loop_id="demo", trace_id="t")
    assert isinstance(row, Escalation)
    return Entry("e", origin, row, 0.0)


def delivery(sink: str, state: DeliveryState, code: str | None = None) -> Delivery:
    return Delivery(f"omd_{sink}", {"id": sink}, "", state, attempts=1, last={"reasonCode": code})


def series(metrics: AlertMetrics) -> dict[str, float]:
    lines = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_attempts_and_ends_are_counted_by_sink() -> None:
    metrics = AlertMetrics()
    metrics.attempted(delivery("a", DeliveryState.PENDING, "http_error"), 0.2)
    metrics.attempted(delivery("a", DeliveryState.DELIVERED), 0.1)
    metrics.ended(entry(), delivery("a", DeliveryState.DELIVERED))
    metrics.ended(entry(), delivery("b", DeliveryState.DEAD, "http_error"))
    metrics.ended(entry(Origin.REFRESH), delivery("b", DeliveryState.CANCELLED))
    for _ in range(2):  # a scrape takes nothing away
        found = series(metrics)
        assert found['opsd_alert_attempts_total{sink="a",reason="http_error"}'] == 1
        assert found['opsd_alert_attempts_total{sink="a",reason="ok"}'] == 1
        assert found["opsd_alert_request_duration_seconds_count"] == 2
        assert found['opsd_alert_deliveries_total{sink="a",outcome="delivered"}'] == 1
        assert found['opsd_alert_deliveries_total{sink="b",outcome="dead_lettered"}'] == 1
        assert 'opsd_alert_deliveries_total{sink="b",outcome="cancelled"}' not in found


def test_the_series_of_a_sink_vanish_with_it() -> None:
    metrics = AlertMetrics()
    for sink in ("a", "b"):
        metrics.ended(entry(), delivery(sink, DeliveryState.DELIVERED))
        metrics.attempted(delivery(sink, DeliveryState.DELIVERED), 0.1)
    views = [{"id": "a", "state": "closed"}, {"id": "b", "state": "open"}]
    metrics.show(views, frozenset("ab"), 1, usable=True)
    assert series(metrics)['opsd_alert_sink_breaker{sink="b",state="open"}'] == 1
    metrics.show(views, None, 1, usable=False)  # a catalog that is broken for a moment takes nothing away
    assert series(metrics)['opsd_alert_deliveries_total{sink="b",outcome="delivered"}'] == 1
    metrics.show(views, frozenset("a"), 0, usable=True)
    found = series(metrics)
    assert not [name for name in found if 'sink="b"' in name]
    assert (found["opsd_alert_silences_active"], found["opsd_alert_config_usable"]) == (0, 1)

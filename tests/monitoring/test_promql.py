"""The reader of expressions that the other tests here rely on."""

from __future__ import annotations

from tests.monitoring.known import unknown
from tests.monitoring.promql import Selector, parse


def test_functions_and_operators_are_no_metrics() -> None:
    expr = 'histogram_quantile(0.99, sum by (le) (rate(a_bucket{x="b{}y", z=~"."}[5m]))) > 5 and on (job) c:d offset 5m'
    selectors, grouped = parse(expr)
    assert selectors == [Selector("a_bucket", frozenset({"x", "z"})), Selector("c:d", frozenset())]
    assert grouped == {"le", "job"}


def test_what_nobody_exports_is_found() -> None:
    assert unknown("opsd_loops > 1") == set()
    assert unknown("opsd_loopz > 1") == {"opsd_loopz"}
    assert unknown('opsd_loops{loop="a"}') == {"opsd_loops{loop}"}
    assert unknown("sum by (sink) (opsd_loops)") == {"by (sink)"}
    assert unknown("opsd_reconcile_duration_seconds") == {"opsd_reconcile_duration_seconds"}

"""The token bucket never admits more than its rules say, and never starves anybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import RateRules
from opsd.alerts.targets.throttle import Bucket, take

SLACK = RateRules(per_second=1, burst=3)
rates = st.builds(RateRules, per_second=st.floats(0.01, 100), burst=st.floats(1, 50))


def admitted_at(rules: RateRules, moments: list[float]) -> list[float]:
    """Which of the moments at which somebody asks are let through."""
    bucket: Bucket | None = None
    through = []
    for now in moments:
        bucket, wait_s = take(bucket, rules, now)
        if wait_s == 0:
            through.append(now)
    return through


def test_a_burst_passes_and_then_one_per_second() -> None:
    assert admitted_at(SLACK, [0, 0, 0, 0, 0.5, 1.0, 1.5, 2.0]) == [0, 0, 0, 1.0, 2.0]


def test_who_waits_as_long_as_told_is_let_through() -> None:
    bucket, _ = take(Bucket(0.25, 10.0), SLACK, 10.0)
    assert take(bucket, SLACK, 10.0)[1] == 0.75
    assert take(bucket, SLACK, 10.75)[1] == 0.0


@given(rules=rates, steps=st.lists(st.floats(0, 10), max_size=200))
def test_in_no_window_more_than_burst_plus_rate_times_its_length(rules: RateRules, steps: list[float]) -> None:
    moments = [sum(steps[: index + 1]) for index in range(len(steps))]
    through = admitted_at(rules, moments)
    for first in range(len(through)):
        for last in range(first, len(through)):
            allowed = rules.burst + rules.per_second * (through[last] - through[first])
            assert last - first + 1 <= allowed + 1e-6


@given(rules=rates, tokens=st.floats(0, 50), now=st.floats(0, 1e9))
def test_the_wait_that_is_told_is_enough(rules: RateRules, tokens: float, now: float) -> None:
    bucket, wait_s = take(Bucket(tokens, now), rules, now)
    if wait_s > 0:
        assert take(bucket, rules, now + wait_s + 1e-6)[1] == 0.0


def test_a_clock_that_is_set_back_starves_nobody() -> None:
    bucket = Bucket(0.0, 1_000_000.0)
    bucket, wait_s = take(bucket, SLACK, 500.0)
    assert wait_s == 1.0
    assert take(bucket, SLACK, 501.0)[1] == 0.0


def test_rules_that_would_admit_nothing_admit_one_at_a_time() -> None:
    assert take(None, RateRules(per_second=1, burst=0), 0.0)[1] == 0.0

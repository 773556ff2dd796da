"""Waiting times stay within what they promise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsd.supervisor.tasks.backoff import next_delay, resync_delay

SHARE = st.floats(0, 1, exclude_max=True)


@given(
    failures=st.integers(-5, 10**9), base_s=st.floats(0.001, 10), cap_s=st.floats(0.001, 3600), jitter=SHARE, rand=SHARE
)
def test_a_wait_is_never_longer_than_the_cap_and_never_shorter_than_the_jitter_allows(
    failures: int, base_s: float, cap_s: float, jitter: float, rand: float
) -> None:
    delay = next_delay(failures, base_s=base_s, cap_s=cap_s, jitter=jitter, rand=rand)
    whole = min(cap_s, base_s * 2.0 ** min(max(failures, 1) - 1, 62))
    assert whole * (1 - jitter) * 0.999 <= delay <= whole


def test_a_wait_doubles_up_to_the_cap() -> None:
    waits = [next_delay(n, base_s=1, cap_s=10, jitter=0.5, rand=0) for n in range(1, 7)]
    assert waits == [1, 2, 4, 8, 10, 10]


@given(period_s=st.floats(0.1, 10**6), jitter=SHARE, rand=SHARE)
def test_a_resync_moves_by_no_more_than_its_jitter(period_s: float, jitter: float, rand: float) -> None:
    assert period_s * (1 - jitter) * 0.999 <= resync_delay(period_s, jitter, rand) <= period_s * (1 + jitter) * 1.001

"""Patience with those who guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.access.limiter import BURST, REFILL_S, FailureLimiter, network_of


def guesses(limiter: FailureLimiter, address: str, now: float) -> int:
    """How many wrong tokens the address can try at a moment."""
    tried = 0
    while not limiter.wait_s(address, now):
        limiter.failed(address, now)
        tried += 1
    return tried


def test_an_address_may_be_wrong_a_few_times_and_then_now_and_then() -> None:
    limiter = FailureLimiter()
    assert guesses(limiter, "192.0.2.1", 0.0) == BURST
    assert limiter.wait_s("192.0.2.1", 0.0) == pytest.approx(REFILL_S)
    assert guesses(limiter, "192.0.2.2", 0.0) == BURST
    assert guesses(limiter, "192.0.2.1", REFILL_S) == 1
    assert guesses(limiter, "192.0.2.1", REFILL_S + BURST * REFILL_S) == BURST


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_no_rhythm_gets_more_guesses_than_the_refill_gives(pauses: list[float]) -> None:
    limiter, now, tried = FailureLimiter(), 0.0, 0
    for pause in pauses:
        now += pause
        tried += guesses(limiter, "x", now)
    assert tried <= BURST + now / REFILL_S + 1e-6


@given(st.lists(st.text(max_size=8), max_size=100))
def test_memory_is_bounded_whoever_fails(addresses: list[str]) -> None:
    limiter = FailureLimiter(max_addresses=8)
    for now, address in enumerate(addresses):
        limiter.failed(address, float(now))
        assert len(limiter) <= 8


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_the_addresses_of_one_host_count_as_one(address: str, network: str) -> None:
    assert network_of(address) == network

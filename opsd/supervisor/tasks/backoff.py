"""Waiting times, as pure functions; every duration in seconds, ``rand`` a number in [0, 1)."""

from __future__ import annotations


def next_delay(failures: int, *, base_s: float, cap_s: float, jitter: float, rand: float) -> float:
    """The wait after ``failures`` failures in a row (at least 1): doubled each time, capped, moved by ``jitter``.

    ``jitter`` is the share of the wait that is drawn at random: the result lies within ``1 - jitter`` and 1 of it.
    """
    exponent = min(max(failures, 1) - 1, 62)
    wait_s = min(cap_s, base_s * float(1 << exponent))
    return wait_s * (1 - jitter * rand)


def resync_delay(period_s: float, jitter: float, rand: float) -> float:
    """A period moved by up to ``jitter`` of itself in either direction, so that a fleet does not march in step."""
    return period_s * (1 + jitter * (2 * rand - 1))

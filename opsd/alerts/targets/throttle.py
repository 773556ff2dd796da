"""A token bucket (contract 50, R9). Pure.

In any window of t seconds at most ``burst + per_second * t`` requests are admitted, as long as the clock does not run
backwards; when it does, nothing is refilled for the time it lost.
"""

from __future__ import annotations

from typing import NamedTuple

from opsd.alerts.model import RateRules

#: A sum of many fractions of a token may miss a whole one by as much.
_ROUNDING = 1e-9


class Bucket(NamedTuple):
    """``tokens`` as they were at ``at``, in seconds since 1970."""

    tokens: float
    at: float


def take(bucket: Bucket | None, rules: RateRules, now: float) -> tuple[Bucket, float]:
    """The bucket after a request was asked for at ``now``, and the seconds until it is admitted; 0: it is.

    None stands for a target that nobody has asked for yet: a full bucket. A bucket that refused has lost nothing.
    """
    # Rules that never admit anything would silence a sink; the catalog refuses them, an older file may hold them.
    burst, per_second = max(1.0, rules.burst), max(rules.per_second, 1e-6)
    tokens = burst
    if bucket is not None:
        tokens = min(burst, max(0.0, bucket.tokens) + max(0.0, now - bucket.at) * per_second)
    if tokens >= 1.0 - _ROUNDING:
        return Bucket(max(0.0, tokens - 1.0), now), 0.0
    return Bucket(tokens, now), (1.0 - tokens) / per_second

"""How long ago something last happened, and whether that is still too recent (contract 70, 5 and 9).

A moment in the future (a skewed clock) counts as now, so no cooldown ever lasts longer than its window (weakness 12);
what is reported is the moment as it was recorded.
"""

from __future__ import annotations

from typing import NamedTuple


class Cooldown(NamedTuple):
    """``active`` while the last moment is younger than the window; an age of exactly the window is over."""

    active: bool
    remaining_s: int | float


def cooldown(last: int | None, *, window_s: int | float, now: int) -> Cooldown:
    """The cooldown at ``now``; ``last`` and ``now`` in seconds since 1970, a window of 0 never is active."""
    if window_s <= 0 or last is None:
        return Cooldown(False, 0)
    age = now - min(last, now)
    return Cooldown(True, window_s - age) if age < window_s else Cooldown(False, 0)

"""Durations as a person writes them: ``90s``, ``30m``, ``2h``, ``1d``, ``1h30m``. Pure."""

from __future__ import annotations

import re

_FORM = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_SECONDS = (86400, 3600, 60, 1)


def parse_duration(text: str) -> int | None:
    """Seconds of a duration; None for anything else, also for one of no length."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _SECONDS, strict=True)) or None

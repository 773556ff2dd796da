"""Timestamps of the wire: UTC, whole seconds, exactly ``YYYY-MM-DDTHH:MM:SSZ`` (contract 10, 1.1; 20, 1.1)."""

from __future__ import annotations

import re
import time
from functools import lru_cache

_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_LENGTH = 20
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@lru_cache(maxsize=64)
def _format_second(second: int) -> str:
    moment = time.gmtime(second)
    return (
        f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"
        f"T{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}Z"
    )


def format_utc(epoch_s: float) -> str:
    """The wire form of a moment given in seconds since 1970; fractions are cut."""
    return _format_second(int(epoch_s))


def parse_epoch(value: object) -> int | None:
    """Seconds since 1970 of a wire timestamp, or None for anything else (contract 20, 1.1 *epoch*).

    Fractions, offsets, lower case, impossible dates and moments before 1970 are not parseable.
    """
    return _parse_second(value) if isinstance(value, str) and len(value) == _LENGTH else None


@lru_cache(maxsize=256)
def _parse_second(value: str) -> int | None:
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    if year < 1970 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + (1 if leap and month == 2 else 0):
        return None
    return ((_days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Proleptic Gregorian day number, by counting years from a March start."""
    shifted = year - (month <= 2)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719468

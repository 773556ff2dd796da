"""The ``Retry-After`` header (RFC 9110, 10.2.3; contract 30, weakness 22; 50, R2). Pure."""

from __future__ import annotations


def parse_retry_after(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds to wait, not yet capped; None without a header and for nonsense.

    Args:
        now: seconds since 1970, needed to understand an HTTP date; None: dates are not understood. A date that is
            past means 0.
    """
    if value is None or not value.isascii():
        return None
    value = value.strip()
    if value.isdigit():
        return float(value) if len(value) <= 9 else None
    if now is None:
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError, IndexError):
        return None
    return max(0.0, seconds)

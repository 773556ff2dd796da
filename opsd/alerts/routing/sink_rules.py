"""A sink's own settings for delivery, read from its catalog entry (contract 50, section 12).

``retry {baseSeconds, capSeconds, maxAttempts, maxAgeSeconds}``, ``rateLimit {perSecond, burst}``, ``sendResolved``,
``dedupKeyMode``, ``maxBodyBytes``, ``allowInsecureHttp``, ``resendSeconds``. What is absent or null has its default;
anything that cannot be meant, a misspelt key inside ``retry`` or ``rateLimit`` included, is refused.
"""

from __future__ import annotations

from collections.abc import Set

from opsd.alerts.model import DedupKeyMode, RateRules, RetryRules, SinkRules
from opsd.contract.jsoncodec import JsonObject, JsonValue

#: Bounds of what may be configured; beyond them lies a mistake, not a wish.
_MAX_SECONDS = 366 * 86400.0
_MAX_COUNT = 1e9


class InvalidSinkSettingError(ValueError):
    """A setting that cannot be meant; the message names it."""


def sink_rules(config: JsonObject, default_rate: RateRules) -> SinkRules:
    """The settings of one catalog entry.

    Raises:
        InvalidSinkSettingError: one of them cannot be used.
    """
    mode = _given(config, "dedupKeyMode", DedupKeyMode.ROW)
    if mode not in tuple(DedupKeyMode):
        raise InvalidSinkSettingError("dedupKeyMode")
    return SinkRules(
        rate=_rate(config, default_rate),
        retry=_retry(config),
        send_resolved=_flag(config, "sendResolved", default=True),
        dedup_key_mode=DedupKeyMode(mode),
        max_body_bytes=_count(config, "maxBodyBytes", SinkRules(default_rate).max_body_bytes),
        allow_insecure_http=_flag(config, "allowInsecureHttp", default=False),
        resend_s=_number(config, "resendSeconds", SinkRules(default_rate).resend_s, low=1),
    )


def _retry(config: JsonObject) -> RetryRules:
    given = _object(config, "retry", {"baseSeconds", "capSeconds", "maxAttempts", "maxAgeSeconds"})
    default = RetryRules()
    return RetryRules(
        base_s=_number(given, "baseSeconds", default.base_s),
        cap_s=_number(given, "capSeconds", default.cap_s),
        max_attempts=_count(given, "maxAttempts", default.max_attempts),
        max_age_s=_number(given, "maxAgeSeconds", default.max_age_s),
    )


def _rate(config: JsonObject, default: RateRules) -> RateRules:
    given = _object(config, "rateLimit", {"perSecond", "burst"})
    return RateRules(
        per_second=_number(given, "perSecond", default.per_second, low=1e-6, high=_MAX_COUNT),
        burst=_number(given, "burst", default.burst, low=1, high=_MAX_COUNT),
    )


def _given(config: JsonObject, key: str, default: JsonValue) -> JsonValue:
    value = config.get(key)
    return default if value is None else value


def _object(config: JsonObject, key: str, known: Set[str]) -> JsonObject:
    value = _given(config, key, {})
    if not isinstance(value, dict) or not value.keys() <= known:
        raise InvalidSinkSettingError(key)
    return value


def _flag(config: JsonObject, key: str, *, default: bool) -> bool:
    value = _given(config, key, default)
    if not isinstance(value, bool):
        raise InvalidSinkSettingError(key)
    return value


def _number(config: JsonObject, key: str, default: float, *, low: float = 0.0, high: float = _MAX_SECONDS) -> float:
    value = _given(config, key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidSinkSettingError(key)
    return value


def _count(config: JsonObject, key: str, default: int) -> int:
    value = _number(config, key, default, low=1, high=_MAX_COUNT)
    if not float(value).is_integer():
        raise InvalidSinkSettingError(key)
    return int(value)

"""The form of a target's state in ``alert-sink-health.json`` (contract 50, R9 and R10): moments as seconds since 1970
with their fractions, which a token bucket needs. What cannot be read counts as not there. Pure.
"""

from __future__ import annotations

from opsd.alerts.targets import breaker as breaker_rules
from opsd.alerts.targets.breaker import Breaker, Span
from opsd.alerts.targets.retry import MAX_PAUSE_S
from opsd.alerts.targets.target_state import LastError, TargetState
from opsd.alerts.targets.throttle import Bucket
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, get

#: No request takes longer (2.2: a sink's time limit is at most 120 s), whatever a file says.
_MAX_LEASE_S = 180.0
_BEYOND_ANY_MOMENT = 1e11


def to_json(state: TargetState) -> JsonObject:
    """The object of a target."""
    breaker, error = state.breaker, state.last_error
    return {
        "sinkType": state.sink_type,
        "sinks": dict(state.digests),
        "usedAt": state.used_at,
        "succeededAt": state.succeeded_at,
        "bucket": None if state.bucket is None else {"tokens": state.bucket.tokens, "at": state.bucket.at},
        "pause": _span_json(state.pause),
        "breaker": {
            "failures": breaker.failures,
            "open": _span_json(breaker.open),
            "probe": _span_json(breaker.probe),
            "blocked": list(breaker.blocked),
        },
        "lastError": None
        if error is None
        else {
            "at": error.at,
            "reasonCode": error.reason_code,
            "httpStatus": error.http_status,
            "message": error.message,
        },
    }


def from_json(value: JsonObject) -> TargetState:
    """The state in an object of a target."""
    sinks, breaker = as_object(value.get("sinks")), value.get("breaker")
    failures, blocked = _number(get(breaker, "failures")), get(breaker, "blocked")
    return TargetState(
        sink_type=_text(value.get("sinkType")) or "",
        digests=tuple((sink_id, digest) for sink_id, digest in sinks.items() if isinstance(digest, str)),
        bucket=_bucket(value.get("bucket")),
        pause=_span(value.get("pause"), MAX_PAUSE_S),
        breaker=Breaker(
            failures=max(0, int(failures or 0)),
            open=_span(get(breaker, "open"), breaker_rules.MAX_PAUSE_S),
            probe=_span(get(breaker, "probe"), _MAX_LEASE_S),
            blocked=tuple(filter(None, map(_text, blocked))) if isinstance(blocked, list) else (),
        ),
        used_at=_number(value.get("usedAt")) or 0.0,
        succeeded_at=_number(value.get("succeededAt")),
        last_error=_last_error(value.get("lastError")),
    )


def _span_json(span: Span | None) -> JsonObject | None:
    return None if span is None else {"since": span.since, "until": span.until}


def _span(value: JsonValue, longest_s: float) -> Span | None:
    since, until = _number(get(value, "since")), _number(get(value, "until"))
    return None if since is None or until is None else Span(since, min(max(since, until), since + longest_s))


def _bucket(value: JsonValue) -> Bucket | None:
    tokens, at = _number(get(value, "tokens")), _number(get(value, "at"))
    return None if tokens is None or at is None else Bucket(tokens, at)


def _last_error(value: JsonValue) -> LastError | None:
    at, code, status = _number(get(value, "at")), _text(get(value, "reasonCode")), get(value, "httpStatus")
    if at is None or code is None:
        return None
    return LastError(at, code, status if isinstance(status, int) else None, _text(get(value, "message")))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < _BEYOND_ANY_MOMENT else None

"""How one target stands: the receiver behind a URL or a key, whichever sinks and loops send to it (50, R9 and R10).

Pure: a request asks :func:`admit`, its result goes to :func:`record`. Every refusal has a named reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from opsd.alerts.model import AttemptResult, RateRules, ResolvedSink
from opsd.alerts.targets import throttle
from opsd.alerts.targets.breaker import Breaker, Phase, Span
from opsd.alerts.targets.throttle import Bucket
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import drop_null

_UNTRIED = Breaker()
#: Sinks of one target that are remembered.
_MAX_SINKS = 32


class Refusal(StrEnum):
    """Why a request may not go now; the reason codes of deferred deliveries."""

    RATE_LIMITED = "rate_limited"
    CIRCUIT_OPEN = "circuit_open"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a sink sends to. ``key`` is a hash of the secret that names the receiver, ``digest`` one of that secret
    together with the sink's configuration; neither gives the secret away.
    """

    key: str
    digest: str
    sink_id: str
    sink_type: str


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request may go now.

    ``wait_s``: when refused, the seconds after which it is worth asking again; None: not before somebody changes
    something. ``probe``: it is the one that a breaker tries; tell it to :func:`record`.
    """

    admitted: bool
    reason: Refusal | None = None
    wait_s: float | None = 0.0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class LastError:
    """The newest failure of a target, fit to be shown; ``at`` in seconds since 1970."""

    at: float
    reason_code: str
    http_status: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class TargetState:
    """All that is known of a target. ``pause``: the receiver asked to be left alone (R2). ``digests``: sink id -> the
    digest it last had; ``used_at`` and ``succeeded_at`` in seconds since 1970.
    """

    sink_type: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    bucket: Bucket | None = None
    pause: Span | None = None
    breaker: Breaker = _UNTRIED
    used_at: float = 0.0
    succeeded_at: float | None = None
    last_error: LastError | None = None


def target_of(sink: ResolvedSink, secret: str) -> Target:
    """The target of a sink whose URL or key is ``secret`` (:meth:`SinkType.target`)."""
    key = hashlib.sha256(b"opsd alert target\n" + secret.encode("utf-8", "surrogateescape"))
    digest = key.copy()
    digest.update(b"\n" + jsoncodec.dumps([sink.type, sink.config, sink.secret_refs]))
    return Target(key.hexdigest()[:32], digest.hexdigest()[:32], sink.id, sink.type)


def admit(
    state: TargetState, target: Target, rate: RateRules, now: float, *, lease_s: float
) -> tuple[TargetState, Admission]:
    """Whether a request to ``target`` may go at ``now``, and the state after it was asked.

    ``lease_s``: the seconds within which it ends, should it go. A refusal takes nothing away, so asking again is free.
    """
    wait_s = state.breaker.wait_s(now, target.digest)
    if wait_s is None or wait_s > 0:
        return state, Admission(False, Refusal.CIRCUIT_OPEN, wait_s)
    paused_s = state.pause.left(now) if state.pause is not None else 0.0
    if paused_s > 0:
        return state, Admission(False, Refusal.RATE_LIMITED, paused_s)
    bucket, short_s = throttle.take(state.bucket, rate, now)
    if short_s > 0:
        return state, Admission(False, Refusal.RATE_LIMITED, short_s)
    others = tuple(known for known in state.digests if known[0] != target.sink_id)
    admitted = replace(
        state,
        sink_type=target.sink_type,
        digests=(*others, (target.sink_id, target.digest))[-_MAX_SINKS:],
        bucket=bucket,
        pause=None,
        breaker=state.breaker.admitted(now, lease_s),
        used_at=now,
    )
    return admitted, Admission(True, probe=state.breaker.open is not None)


def record(state: TargetState, target: Target, result: AttemptResult, now: float, *, probe: bool) -> TargetState:
    """The state after an admitted request ended with ``result``; ``probe`` as its admission said."""
    breaker = state.breaker.recorded(result, now, digest=target.digest, probe=probe)
    if result.succeeded:
        return replace(state, breaker=breaker, succeeded_at=now)
    pause = state.pause
    if result.pause_s > (pause.left(now) if pause is not None else 0.0):
        pause = Span(now, now + result.pause_s)
    error = LastError(now, result.reason_code or "sink_dispatch_failed", result.http_status, result.message)
    return replace(state, breaker=breaker, pause=pause, last_error=error)


def view(state: TargetState, sink_id: str, now: float) -> JsonObject:
    """How the target of a sink stands, as status shows it (R10); what does not apply is left out."""
    phase = state.breaker.phase(now, dict(state.digests).get(sink_id, ""))
    error = state.last_error
    open_until = state.breaker.open.until if state.breaker.open is not None and phase is Phase.OPEN else None
    paused = state.pause is not None and state.pause.left(now) > 0
    return drop_null(
        {
            "id": sink_id,
            "type": state.sink_type,
            "state": phase.value,
            "openUntil": None if open_until is None else format_utc(open_until),
            "pausedUntil": format_utc(state.pause.until) if state.pause is not None and paused else None,
            "consecutiveFailures": state.breaker.failures,
            "lastSuccessAt": None if state.succeeded_at is None else format_utc(state.succeeded_at),
            "lastError": None
            if error is None
            else drop_null(
                {
                    "timestamp": format_utc(error.at),
                    "reasonCode": error.reason_code,
                    "httpStatus": error.http_status,
                    "message": error.message,
                }
            ),
        }
    )

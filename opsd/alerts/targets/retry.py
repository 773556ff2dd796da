"""What an answer means, and when a failed delivery is tried again (contract 50, 5.1, R1 and R2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.alerts.model import AttemptResult, HttpAnswer, RetryRules
from opsd.alerts.sinks.base import SinkType

#: How long a receiver may ask to be left alone, in seconds.
MAX_PAUSE_S = 3600.0
#: A message is cut at so many characters (5.1).
MAX_MESSAGE_CHARS = 300

_RETRYABLE = frozenset((408, 425, 429))
_PAUSING = frozenset((429, 503))
#: Base of the back-off after a 429, where a receiver advises more patience than the sink's rules (R1, 12.1).
_BASE_AFTER_429_S = {"pagerduty_events": 30.0}
#: Beyond this many doublings every cap is reached; also keeps the power finite.
_MAX_DOUBLINGS = 62


class GiveUp(StrEnum):
    """Why there is no further attempt (R11)."""

    PERMANENT = "permanent_failure"
    ATTEMPTS = "attempt_limit"
    AGE = "age_limit"


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The moment of the next attempt, in seconds since 1970, or why there is none."""

    at: float | None = None
    reason: GiveUp | None = None


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later, judged by its HTTP status (R1)."""
    return status in _RETRYABLE or 500 <= status <= 599


def judge(answer: HttpAnswer, sink_type: SinkType) -> AttemptResult:
    """What came of a request (5.1); a pause only when a 429 or 503 asked for one (R2)."""
    status = answer.status
    if status is None:
        return request_failed(answer.error or "no answer")
    if 200 <= status <= 299:
        return AttemptResult(succeeded=True, http_status=status, message=answer.excerpt)
    pause_s = min(answer.retry_after_s or 0.0, MAX_PAUSE_S) if status in _PAUSING else 0.0
    return AttemptResult(
        succeeded=False,
        reason_code="http_error",
        http_status=status,
        message=answer.excerpt,
        retryable=is_retryable(status),
        pause_s=pause_s,
        closes_target=sink_type.closes_target(answer),
    )


def request_failed(message: str) -> AttemptResult:
    """The result of a request without an answer: retryable, whatever was wrong (R1)."""
    return AttemptResult(
        succeeded=False,
        reason_code="request_failed",
        message=message.replace("\n", " ")[:MAX_MESSAGE_CHARS],
        retryable=True,
    )


def missing_secret(message: str) -> AttemptResult:
    """The result of an attempt whose secret is unset; it may be set later (R1). ``message``: the contract's (5.1)."""
    return AttemptResult(succeeded=False, reason_code="missing_secret", message=message, retryable=True)


def next_attempt(
    rules: RetryRules,
    result: AttemptResult,
    *,
    sink_type: str,
    attempts: int,
    first_attempt_at: float,
    now: float,
    rand: float,
) -> NextAttempt:
    """What follows after attempt number ``attempts`` (from 1) failed with ``result``.

    The wait is drawn from all of [0, min(cap, base·2^(attempts-1))], so that deliveries that failed together do not
    come back together; a pause that the receiver asked for is waited for in any case. An attempt that would come too
    late is not waited for.

    Args:
        sink_type: the type's name.
        rand: in [0, 1).
    """
    if not result.retryable:
        return NextAttempt(reason=GiveUp.PERMANENT)
    if attempts >= rules.max_attempts:
        return NextAttempt(reason=GiveUp.ATTEMPTS)
    base_s = _BASE_AFTER_429_S.get(sink_type, 0.0) if result.http_status == 429 else 0.0
    at = now + max(delay_s(rules, attempts, rand, least_base_s=base_s), result.pause_s)
    if is_too_old(rules, first_attempt_at, at):
        return NextAttempt(reason=GiveUp.AGE)
    return NextAttempt(at=at)


def delay_s(rules: RetryRules, attempts: int, rand: float, *, least_base_s: float = 0.0) -> float:
    """Seconds before the attempt that follows ``attempts`` failed ones, with full jitter (R1)."""
    base_s = max(rules.base_s, least_base_s)
    ceiling_s = min(max(rules.cap_s, least_base_s), base_s * 2.0 ** min(attempts - 1, _MAX_DOUBLINGS))
    return rand * ceiling_s


def is_too_old(rules: RetryRules, first_attempt_at: float, at: float) -> bool:
    """Whether a delivery that was first tried at ``first_attempt_at`` is given up by ``at``: also one that could only
    wait since then (R11).
    """
    return at - first_attempt_at >= rules.max_age_s

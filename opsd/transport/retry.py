"""When a request to a sprite service is tried again (contract 30, section 5 and weaknesses 7 and 22)."""

from __future__ import annotations

from dataclasses import dataclass

RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a request is tried again; durations in seconds.

    ``patient`` is the daemon's manner: connection failures of a GET are retried, ``Retry-After`` is honoured up to
    ``retry_after_cap_s``, and waits are moved by ``jitter``. ``keyed`` requests carry an idempotency key: one whose
    connection broke is sent again, and joins or replays the first (contract 30, weakness 7).
    """

    attempts: int = 3
    backoff_s: float = 1.0
    patient: bool = False
    keyed: bool = False
    retry_after_cap_s: float = 30.0
    jitter: float = 0.2


def retry_wait(
    policy: RetryPolicy,
    *,
    attempt: int,
    status: int,
    method: str,
    retry_after_s: float | None,
    rand: float,
    sent: bool = True,
) -> float | None:
    """Seconds until the next attempt after attempt number ``attempt`` failed; None when there is none.

    ``status`` 0 stands for a transport-level failure; ``sent`` tells whether the request may have arrived then.
    """
    if attempt >= policy.attempts:
        return None
    broken = status == 0 and ((policy.patient and method == "GET") or (policy.keyed and sent))
    if status not in RETRY_STATUSES and not broken:
        return None
    wait_s = policy.backoff_s * attempt
    if not policy.patient:
        return wait_s
    if retry_after_s is not None:
        return max(wait_s, min(retry_after_s, policy.retry_after_cap_s))
    return wait_s * (1 + policy.jitter * rand)

"""A circuit breaker per target (contract 50, R10). Pure.

*closed*: everything may go. After :data:`THRESHOLD` consecutive retryable failures it is *open* for
:data:`FIRST_PAUSE_S`; then *half open*: one probe may go, everything else still waits. A probe that fails doubles
the pause up to :data:`MAX_PAUSE_S`; any success closes. *blocked*: the receiver said that nothing will get through
until somebody changes something; it stays so for that configuration and secret, told by their digest.

Invariant: while it is not closed, it lets one request go at a time, the probe. A probe whose process died is given up
after the lease that it took.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from opsd.alerts.model import AttemptResult

THRESHOLD = 5
FIRST_PAUSE_S = 30.0
MAX_PAUSE_S = 900.0
#: Configurations of one target that are remembered as refused.
_MAX_BLOCKED = 16
#: Processes that share a state do not look at the clock at the same instant; a moment that lies further ahead was
#: written before the clock was set back, and what it began is over.
_SLACK_S = 5.0


class Phase(StrEnum):
    """What a breaker does with a request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    BLOCKED = "blocked"


class Span(NamedTuple):
    """A stretch of time that began at ``since`` and ends at ``until``, in seconds since 1970."""

    since: float
    until: float

    def left(self, now: float) -> float:
        """Seconds until it ends; 0 when it is over."""
        return max(0.0, self.until - now) if now >= self.since - _SLACK_S else 0.0


class Breaker(NamedTuple):
    """The state of one target's breaker.

    ``failures``: consecutive retryable ones. ``open``: the pause, over or not; None when closed. ``probe``: the lease
    of the probe under way. ``blocked``: digests of the configurations that were refused for good.
    """

    failures: int = 0
    open: Span | None = None
    probe: Span | None = None
    blocked: tuple[str, ...] = ()

    def phase(self, now: float, digest: str = "") -> Phase:
        """What it does at ``now`` with requests of the configuration ``digest``."""
        if digest in self.blocked:
            return Phase.BLOCKED
        if self.open is None:
            return Phase.CLOSED
        return Phase.OPEN if self.open.left(now) > 0 else Phase.HALF_OPEN

    def wait_s(self, now: float, digest: str = "") -> float | None:
        """Seconds until a request may go, 0 for now; None while it is blocked: time does not help."""
        phase = self.phase(now, digest)
        if phase is Phase.BLOCKED:
            return None
        if phase is Phase.OPEN and self.open is not None:
            return self.open.left(now)
        if phase is Phase.HALF_OPEN and self.probe is not None:
            return self.probe.left(now)
        return 0.0

    def admitted(self, now: float, lease_s: float) -> Breaker:
        """After a request was admitted at ``now``, which ends within ``lease_s`` seconds: when half open, the probe."""
        return self if self.open is None else self._replace(probe=Span(now, now + lease_s))

    def recorded(self, result: AttemptResult, now: float, *, digest: str, probe: bool) -> Breaker:
        """After ``result``; ``probe`` tells whether it is the probe's.

        A permanent failure is an answer: it breaks a row of failures, but only a success closes. While open, a
        failure that is not the probe's was under way before and tells nothing new.
        """
        if result.succeeded:
            return Breaker(blocked=tuple(known for known in self.blocked if known != digest))
        if result.closes_target:
            kept = tuple(known for known in self.blocked if known != digest)
            return self._ended(probe)._replace(failures=0, blocked=(*kept, digest)[-_MAX_BLOCKED:])
        if not result.retryable:
            return self._ended(probe)._replace(failures=0)
        if self.open is None:
            failures = self.failures + 1
            return self._replace(failures=failures, open=_pause(now, FIRST_PAUSE_S) if failures >= THRESHOLD else None)
        if not probe:
            return self
        doubled_s = min(MAX_PAUSE_S, 2 * (self.open.until - self.open.since))
        return self._replace(failures=self.failures + 1, open=_pause(now, doubled_s), probe=None)

    def _ended(self, probe: bool) -> Breaker:
        return self._replace(probe=None) if probe else self


def _pause(now: float, length_s: float) -> Span:
    return Span(now, now + length_s)

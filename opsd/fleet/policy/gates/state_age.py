"""Gate, ours and off by default: the fleet state is not older than an operator allows (weakness 11)."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    age, limit = subject.state_age_s, subject.max_state_age_s
    # With a limit, a state that does not tell its age counts as too old.
    fresh = limit is None or (age is not None and age <= limit)
    return verdict(fresh, Reason.STATE_TOO_OLD, ageSeconds=age, maximumSeconds=limit)


GATE = Gate("state_age", "", _judge)

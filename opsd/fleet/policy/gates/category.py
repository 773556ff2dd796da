"""Gate: the candidate's category is on the allow list."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    category, allowed = subject.candidate.category, subject.controls.allowed_categories
    return verdict(category in allowed, Reason.CATEGORY, category=category, allowed=list(allowed))


GATE = Gate("category", "categoryAllowed", _judge)

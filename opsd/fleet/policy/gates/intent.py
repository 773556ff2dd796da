"""Gate: there is a recommended intent, and it is on the allow list."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    intent, allowed = subject.candidate.intent, subject.controls.allowed_intents
    reason = Reason.NO_INTENT if intent is None else Reason.INTENT
    return verdict(intent is not None and intent in allowed, reason, intent=intent, allowed=list(allowed))


GATE = Gate("intent", "intentAllowed", _judge)

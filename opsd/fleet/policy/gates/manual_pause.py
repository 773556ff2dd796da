"""Gate: nobody has paused the rollout by hand."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    manual = subject.pause.manual
    return verdict(not manual, Reason.PAUSED_MANUAL, manual=manual)


GATE = Gate("manual_pause", "", _judge)

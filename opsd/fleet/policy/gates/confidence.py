"""Gate: the candidate is certain enough."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason, confidence_rank


def _judge(subject: Subject) -> Verdict:
    confidence, minimum = subject.candidate.confidence, subject.controls.min_confidence
    return verdict(
        confidence_rank(confidence) >= confidence_rank(minimum),
        Reason.CONFIDENCE,
        confidence=confidence,
        minimum=minimum,
    )


GATE = Gate("confidence", "confidenceMeetsThreshold", _judge)

"""Gate: the candidate is severe enough."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason, severity_rank


def _judge(subject: Subject) -> Verdict:
    severity, minimum = subject.candidate.severity, subject.controls.min_severity
    return verdict(
        severity_rank(severity) >= severity_rank(minimum), Reason.SEVERITY, severity=severity, minimum=minimum
    )


GATE = Gate("severity", "severityMeetsThreshold", _judge)

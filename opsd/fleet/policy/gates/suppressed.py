"""Gate: what nobody is shown is not acted on either, whichever scope suppressed it."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    found = subject.suppression
    evidence = {"scope": found.scope, "reason": found.reason, "source": found.source}
    # The wire's boolean tells that it is suppressed, not that it passes.
    return Verdict((Reason.SUPPRESSED,) if found.suppressed else (), evidence, found.suppressed)


GATE = Gate("suppressed", "suppressed", _judge)

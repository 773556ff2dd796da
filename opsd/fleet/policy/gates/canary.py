"""Gate: the rollout's canary percentage reaches the loop's bucket. Never a second reason for a loop out of scope."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    cohort = subject.cohort
    excluded = cohort.in_scope and not cohort.canary_selected
    evidence = {"bucket": cohort.bucket, "canaryPercent": subject.controls.canary_percent, "salt": cohort.salt}
    # The wire's boolean is the canary's answer alone, also where scope already excludes the loop.
    return Verdict((Reason.CANARY,) if excluded else (), evidence, cohort.canary_selected)


GATE = Gate("canary", "rolloutCanarySelected", _judge)

"""Gate: the rollout's scope holds the loop; an empty scope holds every loop."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    loop_id, scope = subject.candidate.loop_id, subject.controls.scope
    return verdict(subject.cohort.in_scope, Reason.SCOPE, loopId=loop_id, scopeLoopIds=list(scope))


GATE = Gate("scope", "rolloutScopeAllowed", _judge)

"""Gate: recent autonomous executions went well enough. Names what triggered the pause beside the pause itself."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict
from opsd.fleet.policy.words import Reason


def _judge(subject: Subject) -> Verdict:
    pause = subject.pause
    triggers = pause.auto_reasons
    rules, metrics = pause.controls, pause.metrics
    evidence = {
        "enabled": rules.enabled,
        "executions": metrics.executions,
        "attempted": metrics.attempted,
        "minSampleSize": rules.min_sample_size,
        "ambiguityRate": metrics.rate(metrics.ambiguous),
        "ambiguityRateThreshold": rules.ambiguity_rate_threshold,
        "failureRate": metrics.rate(metrics.failed),
        "failureRateThreshold": rules.failure_rate_threshold,
    }
    return Verdict((Reason.PAUSED_AUTO, *triggers) if triggers else (), evidence, not triggers)


GATE = Gate("auto_pause", "", _judge)

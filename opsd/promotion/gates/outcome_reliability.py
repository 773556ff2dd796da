"""Gate: enough autonomous executions, and few of their intents ambiguous or failed (contract 90, A3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import integral
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import AutonomousRun, GateInputs, HandoffEvidence, HandoffHistory, Invalid, Missing
from opsd.promotion.words import Reason


def _judge(inputs: GateInputs) -> Verdict:
    limits = inputs.thresholds
    runs = inputs.handoff.runs if isinstance(inputs.handoff, HandoffHistory) else ()
    figures = _figures(runs)
    enough = len(runs) >= limits.min_sample_size
    attempted = figures["attempted"] > 0
    findings = _unreadable(inputs.handoff)
    if not enough:
        findings.append(Finding(Reason.SAMPLE_INSUFFICIENT, unknown=True))
    elif not attempted:
        findings.append(Finding(Reason.ATTEMPTS_ZERO, unknown=True))
    if attempted and figures["ambiguityRate"] > limits.max_ambiguity_rate:
        findings.append(Finding(Reason.AMBIGUITY_EXCEEDED))
    if attempted and figures["failureRate"] > limits.max_failure_rate:
        findings.append(Finding(Reason.FAILURE_EXCEEDED))
    return Verdict(findings, figures)


def _unreadable(evidence: HandoffEvidence) -> list[Finding]:
    if isinstance(evidence, Missing):
        return [Finding(Reason.HANDOFF_MISSING, unknown=True)]
    if isinstance(evidence, Invalid):
        return [Finding(Reason.HANDOFF_INVALID, unknown=True)]
    return []


def _figures(runs: Sequence[AutonomousRun]) -> JsonObject:
    """Sums over the window, rates over its intents; the first and last row's time, since no age limits the window."""
    attempted = sum(run.attempted for run in runs)
    ambiguous = sum(run.ambiguous for run in runs)
    failed = sum(run.failed for run in runs)
    return {
        "sampleRuns": len(runs),
        "attempted": attempted,
        "executed": sum(run.executed for run in runs),
        "ambiguous": ambiguous,
        "failed": failed,
        "ambiguityRate": integral(ambiguous / attempted) if attempted else 0,
        "failureRate": integral(failed / attempted) if attempted else 0,
        "oldestRunAt": runs[0].timestamp if runs else None,
        "newestRunAt": runs[-1].timestamp if runs else None,
    }


GATE = Gate("outcome_reliability", "outcomeReliability", _judge)

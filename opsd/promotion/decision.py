"""The decision: every gate asked, and what they say together (contract 90, A3.6 and A4). Pure.

Invariant: the decision is ``promote`` only when every gate passed on evidence that could be read.
"""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import uniq
from opsd.promotion import gates
from opsd.promotion.gates import Verdict
from opsd.promotion.inputs import GateInputs, Source, Thresholds
from opsd.promotion.words import Decision


def evaluate_gates(inputs: GateInputs) -> JsonObject:
    """The decision document. ``outcome`` in each gate is ours: ``pass``, ``fail`` or ``no_evidence``."""
    answers = gates.ask(inputs)
    failed = [gate.name for gate, verdict in answers if not verdict.passed]
    decision = Decision.HOLD if failed else Decision.PROMOTE
    return {
        "schemaVersion": "v1",
        "generatedAt": format_utc(inputs.now),
        "traceId": inputs.trace_id,
        "source": _source(inputs.source),
        "thresholds": _thresholds(inputs.thresholds),
        "summary": {
            "decision": decision.value,
            "promote": decision is Decision.PROMOTE,
            "gatePassCount": len(answers) - len(failed),
            "gateFailCount": len(failed),
            "failedGates": failed,
            "reasonCodes": uniq(reason for _gate, verdict in answers for reason in verdict.reasons),
        },
        "gates": {gate.key: _section(verdict) for gate, verdict in answers},
    }


def _section(verdict: Verdict) -> JsonObject:
    return {
        "status": "pass" if verdict.passed else "fail",
        "reasons": verdict.reasons,
        **verdict.evidence,
        "outcome": verdict.outcome.value,
    }


def _source(source: Source) -> JsonObject:
    return {
        "repoPath": source.repo,
        "fleetStatusSource": "generated" if source.status_file is None else "file",
        "fleetStatusFile": source.status_file,
        "handoffTelemetryFile": source.handoff_telemetry,
        "drillStateFile": source.drill_state,
        "promotionStateFile": source.promotion_state,
        "promotionTelemetryFile": source.promotion_telemetry,
    }


def _thresholds(limits: Thresholds) -> JsonObject:
    return {
        "windowExecutions": limits.window_executions,
        "minSampleSize": limits.min_sample_size,
        "maxAmbiguityRate": limits.max_ambiguity_rate,
        "maxFailureRate": limits.max_failure_rate,
        "maxManualBacklog": limits.max_manual_backlog,
        "maxDrillAgeHours": limits.max_drill_age_h,
    }

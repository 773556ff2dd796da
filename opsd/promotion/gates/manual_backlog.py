"""Gate: not too many intents wait for a person (contract 90, A3.3)."""

from __future__ import annotations

from opsd.contract.values import get
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import GateInputs
from opsd.promotion.words import Reason


def _judge(inputs: GateInputs) -> Verdict:
    backlog = get(inputs.status, "autonomous", "outcomeRollup", "manual_backlog")
    # Fewer than none is no count either, and must not pass for a small one.
    if isinstance(backlog, bool) or not isinstance(backlog, (int, float)) or not backlog >= 0:
        return Verdict([Finding(Reason.BACKLOG_UNAVAILABLE, unknown=True)], {"manualBacklog": None})
    findings = [Finding(Reason.BACKLOG_EXCEEDED)] if backlog > inputs.thresholds.max_manual_backlog else []
    return Verdict(findings, {"manualBacklog": backlog})


GATE = Gate("manual_backlog", "manualBacklog", _judge)

"""The gates, in the contract's order (contract 90, A3). A new gate is a module here and a name in this list.

Every gate is asked, also after one has failed, so that all reasons are told.
"""

from __future__ import annotations

from opsd.promotion.gates import (
    drill_recency,
    governance,
    manual_backlog,
    outcome_reliability,
    safety_suppression,
)
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import GateInputs

GATES: tuple[Gate, ...] = (
    governance.GATE,
    outcome_reliability.GATE,
    manual_backlog.GATE,
    safety_suppression.GATE,
    drill_recency.GATE,
)

__all__ = ["GATES", "Finding", "Gate", "Verdict", "ask"]


def ask(inputs: GateInputs) -> list[tuple[Gate, Verdict]]:
    """What every gate says of a fleet."""
    return [(gate, gate.judge(inputs)) for gate in GATES]

"""The gates, in the contract's order (contract 70, 6). A new gate is a module here and a name in this list.

Every gate is asked, also after one has refused, so that all reasons are told.
"""

from __future__ import annotations

from opsd.fleet.policy.gates import (
    auto_pause,
    canary,
    category,
    confidence,
    intent,
    manual_pause,
    mode,
    review,
    scope,
    severity,
    state_age,
    suppressed,
)
from opsd.fleet.policy.gates.base import Gate, Subject, Verdict

GATES: tuple[Gate, ...] = (
    mode.GATE,
    suppressed.GATE,
    category.GATE,
    intent.GATE,
    severity.GATE,
    confidence.GATE,
    scope.GATE,
    canary.GATE,
    manual_pause.GATE,
    auto_pause.GATE,
    state_age.GATE,
    review.GATE,
)

__all__ = ["GATES", "Gate", "Subject", "Verdict", "ask"]


def ask(subject: Subject) -> list[tuple[Gate, Verdict]]:
    """What every gate says of one candidate."""
    return [(gate, gate.judge(subject)) for gate in GATES]

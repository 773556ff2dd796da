"""A gate: one question about a fleet, answered with the reasons against it and the evidence (contract 90, A3).

Inside an answer is three-valued: pass, fail, no evidence. The wire's ``status`` knows pass and fail, and *no evidence*
is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.inputs import GateInputs
from opsd.promotion.words import Outcome


class Finding(NamedTuple):
    """A reason not to pass. ``unknown`` tells that the evidence is lacking, not that it speaks against the fleet."""

    reason: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer: findings in the contract's order, and what was looked at, in the fields of A4."""

    findings: Sequence[Finding]
    evidence: JsonObject

    @property
    def outcome(self) -> Outcome:
        """Pass only without any finding; evidence against the fleet outweighs evidence that is lacking."""
        if not self.findings:
            return Outcome.PASS
        return Outcome.NO_EVIDENCE if all(finding.unknown for finding in self.findings) else Outcome.FAIL

    @property
    def passed(self) -> bool:
        """True when this gate does not hold the fleet back."""
        return self.outcome is Outcome.PASS

    @property
    def reasons(self) -> list[str]:
        """The reason codes, in the contract's order."""
        return [str(finding.reason) for finding in self.findings]


class Gate(NamedTuple):
    """``name`` is the gate's word in ``failedGates``, ``key`` its key under ``gates``."""

    name: str
    key: str
    judge: Callable[[GateInputs], Verdict]

"""A gate: a named question about one candidate, answered with verdict, reasons and evidence (contract 70, 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.policy.autopause import Pause
from opsd.fleet.policy.candidates import Candidate
from opsd.fleet.policy.cohort import Cohort
from opsd.fleet.policy.controls import Controls
from opsd.fleet.policy.suppression import Suppression
from opsd.fleet.policy.words import Reason


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a gate may look at. Ages in seconds; ``max_state_age_s`` None: no age is too old.

    ``review_at`` is the moment at which the review deadline must not have passed; None: nobody asks.
    """

    candidate: Candidate
    controls: Controls
    suppression: Suppression
    cohort: Cohort
    pause: Pause
    state_age_s: int | None = None
    max_state_age_s: int | None = None
    review_at: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer.

    ``reasons`` is empty when the candidate passes; ``evidence`` is what was compared, for people; ``shown`` is the
    gate's boolean in the candidate's ``gates`` object.
    """

    reasons: tuple[Reason, ...]
    evidence: JsonObject
    shown: bool

    @property
    def passed(self) -> bool:
        """True when this gate does not hold the candidate back."""
        return not self.reasons


class Gate(NamedTuple):
    """``key`` is the gate's name in the candidate's ``gates`` object, "" where the contract shows none."""

    name: str
    key: str
    judge: Callable[[Subject], Verdict]


def verdict(passed: bool, reason: Reason, **evidence: object) -> Verdict:
    """The usual answer: one reason when it does not pass, and the wire shows whether it does."""
    return Verdict(() if passed else (reason,), evidence, passed)

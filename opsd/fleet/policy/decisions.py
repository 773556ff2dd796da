"""The decision on every candidate: stages, gates and rails put together (contract 70, 3 to 9). Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from opsd.contract.timestamps import parse_epoch
from opsd.fleet.policy import gates
from opsd.fleet.policy.autopause import Pause, judge_pause
from opsd.fleet.policy.candidates import Candidate, candidates_of
from opsd.fleet.policy.cohort import cohort
from opsd.fleet.policy.cooldown import cooldown
from opsd.fleet.policy.gates import Gate, Subject, Verdict
from opsd.fleet.policy.inputs import PolicyInputs, Seen
from opsd.fleet.policy.rails import Load, first_rail
from opsd.fleet.policy.suppression import suppression
from opsd.fleet.policy.words import Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one candidate, and on what grounds; ``rail`` is None where none holds or none was asked."""

    subject: Subject
    verdicts: list[tuple[Gate, Verdict]]
    load: Load
    last_eligible: int | None
    rail: Reason | None

    @property
    def candidate(self) -> Candidate:
        """The candidate decided on."""
        return self.subject.candidate

    @property
    def suppressed(self) -> bool:
        """True when nobody is bothered with it now."""
        return self.subject.suppression.suppressed

    @property
    def gating_reasons(self) -> list[Reason]:
        """All reasons of all gates, sorted, each once."""
        return sorted({reason for _gate, verdict in self.verdicts for reason in verdict.reasons})

    @property
    def reasons(self) -> list[Reason]:
        """Gating reasons and the rail, sorted."""
        return sorted({*self.gating_reasons, *([self.rail] if self.rail else [])})

    @property
    def eligible(self) -> bool:
        """True when the manager may act by itself."""
        return self.rail is None and all(verdict.passed for _gate, verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of one evaluation, in candidate order, and the pause that they have in common."""

    each: tuple[Decision, ...]
    pause: Pause


def decide(inputs: PolicyInputs) -> Decisions:
    """Decide on every candidate of the fleet state."""
    controls, settings = inputs.controls, inputs.settings
    pause = judge_pause(controls, inputs.executions)
    age = state_age_s(inputs)
    in_run = 0
    in_loop: Counter[str] = Counter()
    decided: list[Decision] = []
    for candidate in candidates_of(inputs.fleet.results):
        seen = inputs.history.get(candidate.id, Seen())
        subject = Subject(
            candidate,
            controls,
            suppression(
                candidate,
                controls.suppressions,
                window_s=settings.dedupe_window_s,
                last_shown=seen.unsuppressed_at,
                now=inputs.now,
            ),
            cohort(candidate.loop_id, salt=controls.salt, canary_percent=controls.canary_percent, scope=controls.scope),
            pause,
            age,
            settings.max_fleet_state_age_s,
            inputs.now if settings.require_review else None,
        )
        verdicts = gates.ask(subject)
        cooling = cooldown(seen.eligible_at, window_s=controls.cooldown_s, now=inputs.now)
        load = Load(controls, cooling, in_run, in_loop[candidate.loop_id])
        gated = not all(verdict.passed for _gate, verdict in verdicts)
        decision = Decision(subject, verdicts, load, seen.eligible_at, None if gated else first_rail(load))
        if decision.eligible:
            in_run += 1
            in_loop[candidate.loop_id] += 1
        decided.append(decision)
    return Decisions(tuple(decided), pause)


def state_age_s(inputs: PolicyInputs) -> int | None:
    """Seconds since the fleet state was written, never negative; None when it does not tell."""
    updated = parse_epoch(inputs.fleet.updated_at)
    return None if updated is None else max(0, inputs.now - updated)

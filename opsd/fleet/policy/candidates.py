"""Which loops are in trouble, and why: candidates in the order that decides who consumes the caps (contract 70, 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonValue
from opsd.fleet.policy.report import LoopResult
from opsd.fleet.policy.words import TAXONOMY, Category


@dataclass(frozen=True, slots=True)
class Candidate:
    """One loop and one thing that is wrong with it; ``intent`` is what is recommended."""

    loop_id: str
    category: Category
    signal: str
    trace_id: JsonValue
    severity: str
    confidence: str
    rationale: str
    intent: str | None

    @property
    def id(self) -> str:
        """The candidate's name in every document: ``<loopId>:<category>``."""
        return f"{self.loop_id}:{self.category}"


def candidates_of(results: Iterable[LoopResult]) -> tuple[Candidate, ...]:
    """At most one candidate per loop and category, by loop id and category ascending; the first result wins."""
    found: dict[str, Candidate] = {}
    for result in results:
        for category in _categories(result):
            facts = TAXONOMY[category]
            candidate = Candidate(
                str(result.loop_id),
                category,
                facts.signal,
                result.trace_id,
                facts.severity,
                facts.confidence,
                facts.rationale,
                facts.intent,
            )
            found.setdefault(candidate.id, candidate)
    return tuple(sorted(found.values(), key=lambda candidate: (candidate.loop_id, candidate.category)))


def _categories(result: LoopResult) -> Iterator[Category]:
    if result.status == "failed":
        yield Category.RECONCILE_FAILED
    if result.health_status == "critical":
        yield Category.HEALTH_CRITICAL
    elif result.health_status == "degraded":
        yield Category.HEALTH_DEGRADED

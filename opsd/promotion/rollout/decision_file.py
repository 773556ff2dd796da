"""The promotion decision that an apply acts on (contract 95, 2.2 and 2.3 steps 5 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get, optional_text
from opsd.promotion.rollout.words import Intent
from opsd.promotion.words import Decision


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A decision; ``made_at`` is when it was made in seconds since 1970, None where its document does not tell."""

    text: str
    made_at: int | None = None


def decision_in(data: bytes | None, path: str) -> FoundDecision:
    """The decision in a promotion state or a promotion CI result, read from ``path``.

    Raises:
        UsageError: there is no file, no JSON or no decision in it.
    """
    if data is None:
        raise UsageError(f"promotion state file not found: {path}")
    try:
        document = jsoncodec.loads(data) if data.strip() else None
    except ValueError:
        raise UsageError(f"invalid promotion state JSON: {path}") from None
    text = optional_text(get(document, "summary", "decision"))
    if text is None:
        raise UsageError("promotion state missing summary.decision")
    return FoundDecision(text, parse_epoch(get(document, "generatedAt")))


def check_permits(intent: Intent, decision: FoundDecision, *, max_age_s: int | None, now: int) -> None:
    """Only a rollback needs no ``promote``; with ``max_age_s`` the decision must also be that young (weakness 15).

    Raises:
        UsageError: the decision does not permit the intent.
    """
    if intent is Intent.ROLLBACK:
        return
    if decision.text != Decision.PROMOTE:
        raise UsageError(f"intent {intent} requires promotion decision promote (found: {decision.text})")
    if max_age_s is None:
        return
    if decision.made_at is None:
        raise UsageError("promotion decision has no usable generatedAt, its age cannot be checked")
    if now - decision.made_at > max_age_s:
        raise UsageError(f"promotion decision is {now - decision.made_at} s old, allowed are {max_age_s} s")


def age_of(decision: FoundDecision, now: int) -> JsonObject:
    """What a record tells about the decision's age, beside the contract's fields."""
    made_at = decision.made_at
    return {"decisionAgeSeconds": None if made_at is None else max(0, now - made_at)}

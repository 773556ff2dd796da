"""Profile drift: does the applied profile still suit what is observed (contract 40, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import ReasonCode
from opsd.contract.values import digits, drop_null, first_present


class Confidence(StrEnum):
    """How much a recommendation is worth."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """1 to 3."""
        return _RANKS[self]


_RANKS = {confidence: rank for rank, confidence in enumerate(Confidence, 1)}


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When a mismatch becomes a drift; ``summary_window`` in rows, only recorded here."""

    min_confidence: Confidence = Confidence.MEDIUM
    required_streak: int = 3
    summary_window: int = 200


def evaluate_drift(
    previous: JsonObject,
    settings: DriftSettings,
    *,
    loop_id: str,
    applied: str,
    recommended: str,
    confidence: Confidence,
    rationale: str,
    now: str,
    no_data: str | None = None,
) -> JsonObject:
    """The next ``profile-drift.json``; empty names mean none.

    ``no_data`` says why there is no summary: then the streak and an active drift are held, for a lack of data proves
    nothing (40, section 8, row 1), and the reason is recorded as ``summaryError``.
    """
    before = digits(first_present(previous.get("mismatchStreak"), 0)) or 0
    was_active = previous.get("driftActive") in (True, "true")
    mismatch = bool(applied) and bool(recommended) and applied != recommended
    confident = confidence.rank >= settings.min_confidence.rank
    eligible = mismatch and confident
    if no_data is not None:
        streak, active = before, was_active
    else:
        streak = before + 1 if eligible else 0
        active = streak >= settings.required_streak
    status, reason, action = _verdict(recommended, mismatch=mismatch, confident=confident, active=active)
    return drop_null(
        {
            "schemaVersion": "v1",
            "updatedAt": now,
            "loopId": loop_id,
            "status": status,
            "reasonCode": reason,
            "appliedProfile": applied or None,
            "recommendedProfile": recommended or None,
            "recommendationConfidence": confidence,
            "minimumConfidence": settings.min_confidence,
            "recommendationRank": confidence.rank,
            "minimumRank": settings.min_confidence.rank,
            "requiredStreak": settings.required_streak,
            "summaryWindow": settings.summary_window,
            "mismatch": mismatch,
            "confidenceOk": confident,
            "eligibleMismatch": eligible,
            "mismatchStreak": streak,
            "driftActive": active,
            "transitioned": {"toActive": active and not was_active, "toResolved": was_active and not active},
            "rationale": rationale or None,
            "action": action,
            "summaryError": no_data,
        }
    )


def _verdict(recommended: str, *, mismatch: bool, confident: bool, active: bool) -> tuple[str, str | None, str | None]:
    """(status, reasonCode, action), first match (40, 5.2)."""
    if not recommended:
        return "no_recommendation", None, None
    if not mismatch:
        return "aligned", None, None
    if not confident:
        return "insufficient_confidence", None, "collect_more_confident_telemetry"
    if active:
        return "drift_active", ReasonCode.PROFILE_DRIFT_DETECTED, "review_threshold_profile"
    return "mismatch_pending", None, "monitor_additional_windows"


def history_row(drift: JsonObject) -> JsonObject:
    """The ``profile-drift.jsonl`` row of an evaluation."""
    return {
        "timestamp": drift.get("updatedAt"),
        "loopId": drift.get("loopId"),
        "category": "profile_drift_evaluation",
        "drift": drift,
    }

"""Is the decision young enough to act on (contract 95, 4.2 step 7; weakness 15)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get
from opsd.promotion.controller.words import Reason


def freshness(ci_result: JsonValue, *, ttl_minutes: int, now: int) -> JsonObject:
    """The verdict on the evaluation's ``generatedAt``, as the record holds it. A moment ahead counts as now.

    ``oldestDrillAgeSeconds`` stands beside the contract's fields: the evaluation is always young, what it went by
    may not be.
    """
    made_at = parse_epoch(get(ci_result, "generatedAt"))
    age = None if made_at is None else max(0, now - made_at)
    reasons: list[str] = []
    if age is None:
        reasons = [Reason.TIMESTAMP_INVALID]
    elif age > ttl_minutes * 60:
        reasons = [Reason.STALE]
    return {
        "pass": not reasons,
        "ttlMinutes": ttl_minutes,
        "ageSeconds": age,
        "reasons": reasons,
        "oldestDrillAgeSeconds": _oldest_drill_age(ci_result, now),
    }


def _oldest_drill_age(ci_result: JsonValue, now: int) -> int | None:
    drills = get(ci_result, "gates", "drillRecency", "drills")
    completed = (parse_epoch(get(drill, "completedAt")) for drill in (drills if isinstance(drills, list) else []))
    return max((max(0, now - moment) for moment in completed if moment is not None), default=None)

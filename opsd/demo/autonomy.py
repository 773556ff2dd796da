"""What of the demo's fleet is in trouble, and what the registry lets the manager do about it.

One loop fails inside the cohort and is cancelled by the manager itself, within all rails. One fails outside the
canary, one is suppressed, one cannot be reached: they wait for a person. Everything else is out of scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsd.contract.timestamps import format_utc
from opsd.contract.values import get

_DAY_S = 86_400
#: With the selector's usual salt the first failing loop is in bucket 72, the one outside in bucket 90.
CANARY_PERCENT = 80
_REASONS = {
    "autonomous_rollout_canary_excluded": "outside the canary",
    "autonomous_rollout_scope_excluded": "out of scope",
    "autonomous_cooldown_active": "cooling down",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One loop in trouble: how it shall be told of at the end, and in which state it ends."""

    loop_id: str
    told: str
    ends_in: str | None
    crashes: bool = True
    suppressed: bool = False


CANCELLED = "cancelled by the manager"
SUPPRESSED = "suppressed"
WAITS = "waits for you"

TROUBLES = (
    Trouble("nightly-export", CANCELLED, "unknown"),
    Trouble("mail-digest", f"{WAITS}: outside the canary", "running"),
    Trouble("invoice-sync", SUPPRESSED, "running", suppressed=True),
    Trouble("cold-archive", f"{WAITS}: out of scope", None, crashes=False),
)


def policy_block(now: float) -> dict[str, Any]:
    """The registry's policy: autonomy for a month from ``now`` (seconds since 1970) on."""
    return {
        "mode": "guarded_auto",
        "suppressions": {one.loop_id: ["health_critical"] for one in TROUBLES if one.suppressed},
        "noiseControls": {"dedupeWindowSeconds": 0},
        "autonomous": {
            "allow": {"categories": ["health_critical"], "intents": ["cancel"]},
            "governance": {
                "actor": "demo",
                "approvalRef": "DEMO-1",
                "rationale": "to show what autonomy does within its rails",
                "changedAt": format_utc(now),
                "reviewBy": format_utc(now + 30 * _DAY_S),
                "reviewWindowDays": 30,
            },
            "rollout": {
                "canaryPercent": CANARY_PERCENT,
                "scope": {"loopIds": [one.loop_id for one in TROUBLES if one.crashes]},
            },
        },
    }


def told(policy: Mapping[str, Any] | None, attempts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What the policy makes of each loop in trouble, in a few words.

    Args:
        policy: the policy state, None while there is none.
        attempts: the rows of the record of dispatch attempts.
    """
    found: dict[str, str] = {}
    for one in (policy or {}).get("candidates", ()):
        if one["suppressed"]:
            found.setdefault(one["loopId"], SUPPRESSED)
        elif get(one, "autonomous", "eligible") is True:
            found[one["loopId"]] = "about to be cancelled"
        else:
            reasons = get(one, "autonomous", "reasons") or []
            why = next((text for code, text in _REASONS.items() if code in reasons), "")
            found[one["loopId"]] = f"{WAITS}: {why}" if why else WAITS
    rows = list(attempts)
    loops = {row["attemptId"]: row["loopId"] for row in rows if "loopId" in row}
    for row in rows:
        if row.get("status") == "executed" and row.get("mode") == "autonomous":
            found[loops[row["attemptId"]]] = CANCELLED
    return found

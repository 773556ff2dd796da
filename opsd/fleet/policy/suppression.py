"""Whether a candidate is shown at all: the registry's suppressions, then the dedupe window (contract 70, 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.fleet.policy.candidates import Candidate
from opsd.fleet.policy.cooldown import Cooldown, cooldown
from opsd.fleet.policy.words import SuppressionReason


@dataclass(frozen=True, slots=True)
class Suppression:
    """The verdict; ``scope``, ``reason`` and ``source`` are None for a candidate that is shown."""

    window_s: int
    dedupe: Cooldown
    last_shown: int | None
    scope: str | None = None
    reason: SuppressionReason | None = None
    source: str | None = None

    @property
    def suppressed(self) -> bool:
        """True when nobody is bothered with the candidate now."""
        return self.scope is not None

    def cooldown_document(self) -> JsonObject:
        """The candidate's ``cooldown`` object."""
        shown = self.window_s > 0 and self.last_shown is not None
        return {
            "enabled": self.window_s > 0,
            "windowSeconds": self.window_s,
            "active": self.dedupe.active,
            "remainingSeconds": self.dedupe.remaining_s,
            "lastUnsuppressedAt": format_utc(self.last_shown) if shown and self.last_shown is not None else None,
        }


def suppression(
    candidate: Candidate, suppressions: JsonObject, *, window_s: int, last_shown: int | None, now: int
) -> Suppression:
    """The loop's own suppression, else the fleet's, else the dedupe window, else none.

    ``last_shown`` is when the candidate was last recorded unsuppressed, in seconds since 1970.
    """
    dedupe = cooldown(last_shown, window_s=window_s, now=now)
    if _names(suppressions.get(candidate.loop_id), candidate.category):
        # The source is this text as it stands, angle brackets included.
        found = ("loop", SuppressionReason.REGISTRY, "policy.suppressions.<loopId>")
    elif _names(suppressions.get("*"), candidate.category):
        found = ("global", SuppressionReason.REGISTRY, "policy.suppressions.*")
    elif dedupe.active:
        found = ("cooldown", SuppressionReason.COOLDOWN, "policy.noiseControls.dedupeWindowSeconds")
    else:
        return Suppression(window_s, dedupe, last_shown)
    return Suppression(window_s, dedupe, last_shown, *found)


def _names(categories: JsonValue, category: str) -> bool:
    return isinstance(categories, list) and category in categories

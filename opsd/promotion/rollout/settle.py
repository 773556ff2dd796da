"""What became of an apply whose process died, told from the registry that it left (contract 95, weakness 5)."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from opsd.promotion.rollout.words import Intent


class Settled(StrEnum):
    """The verdict on an abandoned apply."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    #: Somebody has changed the registry since: it stands as applied, so that nothing is expanded twice.
    UNPROVEN = "unproven"


def digest(data: bytes | None) -> str:
    """What two contents of a registry are told apart by; also of a file that does not exist."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def settle(intent: Intent, before: str, after: str, now: str) -> Settled:
    """The verdict from the digests of the registry before, after, and as it is now.

    Where neither fits, an expand or resume counts as done, because a second one would go too far; a rollback counts
    as not done, because a second one does no harm and a missing one does.
    """
    if now == after:
        return Settled.APPLIED
    if now == before or intent is Intent.ROLLBACK:
        return Settled.NOT_APPLIED
    return Settled.UNPROVEN

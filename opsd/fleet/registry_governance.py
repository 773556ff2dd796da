"""Who allowed autonomy, why, and until when (contract 60, 2.2, rules 34 to 41; weaknesses 5 and 6).

A review deadline that has passed is a violation like any other for a command. A supervisor asks for it apart
(:func:`review_deadline`): autonomy ends at the deadline, observation does not.
"""

from __future__ import annotations

from typing import Final

from opsd.contract.fleet_words import PolicyMode
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get
from opsd.fleet.bullets import Bullets, is_filled_text

#: The violation that comes with time alone.
REVIEW_EXPIRED: Final = "policy.autonomous.governance.reviewBy must be in the future when policy.mode is guarded_auto"

_FAR_S = 366 * 86400
_PATH = "policy.autonomous.governance"
_WHEN_GUARDED = "when policy.mode is guarded_auto"
_TEXTS = ("actor", "approvalRef", "rationale")
_TIMES = ("changedAt", "reviewBy")


def check_governance(autonomous: JsonObject, guarded: bool, now: int, bullets: Bullets) -> None:
    """Rules 34 to 41; ``guarded``: the mode is ``guarded_auto``, ``now`` in seconds since 1970."""
    governance = bullets.container(autonomous, "governance", _PATH)
    for key in _TEXTS:
        bullets.check(governance, _PATH, key, is_filled_text, "a non-empty string")
    for key in _TIMES:
        bullets.check(governance, _PATH, key, _is_timestamp, "an ISO-8601 timestamp")
    changed_at, review_by = (parse_epoch(governance.get(key)) for key in _TIMES)
    out_of_order = changed_at is not None and review_by is not None and review_by <= changed_at
    if out_of_order:
        bullets.add(f"{_PATH}.reviewBy must be after {_PATH}.changedAt")
    if not guarded:
        return
    given = autonomous.get("governance")
    if not isinstance(given, dict):
        bullets.add(f"{_PATH} is required {_WHEN_GUARDED}")
        if given is not None:
            return
    for key in _TEXTS:
        if not is_filled_text(governance.get(key)):
            bullets.add(f"{_PATH}.{key} is required {_WHEN_GUARDED}")
    for key in _TIMES:
        if not _is_timestamp(governance.get(key)):
            bullets.add(f"{_PATH}.{key} must be an ISO-8601 timestamp {_WHEN_GUARDED}")
    if out_of_order:
        bullets.add(f"{_PATH}.reviewBy must be after {_PATH}.changedAt {_WHEN_GUARDED}")
    if review_by is not None and review_by <= now:
        bullets.add(REVIEW_EXPIRED)


def review_deadline(registry: JsonObject) -> int | None:
    """When the permission for autonomy ends, in seconds since 1970; None where nothing is permitted.

    ``registry`` may be normalized or not.
    """
    if get(registry, "policy", "mode") != PolicyMode.GUARDED_AUTO:
        return None
    return parse_epoch(get(registry, "policy", "autonomous", "governance", "reviewBy"))


def governance_warnings(registry: JsonObject, now: float) -> list[str]:
    """What the wire accepts of a permission for autonomy and a person should look at (weakness 7).

    ``registry`` may be normalized or not; ``now`` is in seconds since 1970.
    """
    review_by = review_deadline(registry)
    changed_at = parse_epoch(get(registry, "policy", "autonomous", "governance", "changedAt"))
    found = []
    if review_by is not None and changed_at is not None and changed_at > now:
        found.append(f"{_PATH}.changedAt lies in the future")
    if review_by is not None and review_by - now > _FAR_S:
        found.append(f"{_PATH}.reviewBy is more than a year away")
    return found


def _is_timestamp(value: object) -> bool:
    return parse_epoch(value) is not None

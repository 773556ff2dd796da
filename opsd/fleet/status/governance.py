"""Who answers for autonomy, and until when (contract 75, 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import drop_null, first_present, present, uniq
from opsd.fleet.documents import Document
from opsd.fleet.policy.words import Mode

DUE_SOON_S = 7 * 86400
_AUTHORITY = ("actor", "approvalRef", "rationale", "changedAt", "reviewBy")


class Governance(NamedTuple):
    """The posture; ``blocks`` also while a review is merely due soon, so that it is renewed in time (weakness 6)."""

    authority_present: bool
    posture: str
    reason_codes: list[str]
    blocks: bool


def governance_of(policy: Document | None, now: str) -> Governance:
    """The governance posture at ``now``.

    A review deadline that cannot be read is a missing one (weakness 5).

    Raises:
        ManagerFileError: the governance block is no object.
    """
    block = {} if policy is None else policy.container("autonomous", "governance")
    if "authorityContextPresent" in block:
        authority = block["authorityContextPresent"] is True
    else:
        authority = all(present(block.get(key)) is not None for key in _AUTHORITY)
    if policy is None or first_present(policy["mode"], Mode.ADVISORY) != Mode.GUARDED_AUTO:
        return Governance(authority, "not_required", [], False)
    deadline = parse_epoch(block.get("reviewBy"))
    left_s = None if deadline is None else deadline - (parse_epoch(now) or 0)
    conditions = {
        "authority_missing": not authority,
        "review_deadline_missing": left_s is None,
        "review_expired": left_s is not None and left_s <= 0,
        "review_due_soon": left_s is not None and 0 < left_s <= DUE_SOON_S,
    }
    found = [name for name, holds in conditions.items() if holds]
    codes = uniq(f"autonomous_governance_{name}" for name in found)
    return Governance(authority, found[0] if found else "active", codes, bool(found))


def governance_section(policy: Document, governance: Governance) -> JsonObject:
    """The ``governance`` object of 5.6.

    Raises:
        ManagerFileError: the governance block is no object.
    """
    block = policy.container("autonomous", "governance")
    return drop_null(
        {
            "changedBy": present(block.get("actor")),
            "changedAt": present(block.get("changedAt")),
            "approvalRef": present(block.get("approvalRef")),
            "why": present(block.get("rationale")),
            "until": present(block.get("reviewBy")),
            "reviewWindowDays": present(block.get("reviewWindowDays")),
            "authorityContextPresent": governance.authority_present,
            "posture": governance.posture,
            "reasonCodes": governance.reason_codes,
            "blocksAutonomous": governance.blocks,
        }
    )

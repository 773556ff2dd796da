"""Gate: autonomy is switched on, and governed by somebody whose review is not due (contract 90, A3.1)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import absent, as_object, compact_text, first_present, get, present, uniq
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import GateInputs
from opsd.promotion.words import Reason

_CODES = {
    "autonomous_governance_authority_missing": Reason.AUTHORITY_MISSING,
    "autonomous_governance_review_deadline_missing": Reason.DEADLINE_MISSING,
    "autonomous_governance_review_expired": Reason.REVIEW_EXPIRED,
}


def _judge(inputs: GateInputs) -> Verdict:
    enabled = get(inputs.status, "autonomous", "enabled")
    section = as_object(get(inputs.status, "autonomous", "governance"))
    posture, blocks = present(section.get("posture")), section.get("blocksAutonomous")
    listed = section.get("reasonCodes")
    codes = uniq(map(compact_text, listed)) if isinstance(listed, list) else []
    findings = []
    if enabled is not True:
        findings.append(Finding(Reason.MODE, unknown=enabled is not False))
    if posture != "active" or not _well_formed(section):
        findings.append(Finding(Reason.POSTURE, unknown=posture is None or posture == "active"))
    if blocks is True:
        findings.append(Finding(Reason.BLOCKED))
    findings += [Finding(reason) for code, reason in _CODES.items() if code in codes]
    evidence: JsonObject = {"posture": posture, "blocksAutonomous": _or_false(blocks), "reasonCodes": codes}
    return Verdict(findings, evidence)


def _well_formed(section: JsonObject) -> bool:
    """A posture is only believed beside a block flag that is one and reason codes that can be read."""
    blocks, codes = section.get("blocksAutonomous"), section.get("reasonCodes")
    return (absent(blocks) or blocks is True) and (absent(codes) or isinstance(codes, list))


def _or_false(value: JsonValue) -> JsonValue:
    return first_present(value, False)


GATE = Gate("governance", "governance", _judge)

"""Gate: every required drill was passed, and not too long ago (contract 90, A3.5; weaknesses 1 and 11).

Invariant: whatever the file says, a drill without a finding has status ``pass`` and a completion time that lies at
most the allowed age back and at most five minutes ahead. Findings accumulate; none hides another.
"""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import DrillRecords, GateInputs, Missing
from opsd.promotion.words import Drill, DrillTrouble, Reason

#: Clocks may differ by so many seconds; what was completed later than that was not completed.
_AHEAD_S = 300


def _judge(inputs: GateInputs) -> Verdict:
    if not isinstance(inputs.drills, DrillRecords):
        missing = isinstance(inputs.drills, Missing)
        finding = Finding(Reason.DRILLS_MISSING if missing else Reason.DRILLS_INVALID, unknown=True)
        return Verdict([finding], _evidence([], []))
    entries = inputs.drills.entries
    findings: list[Finding] = []
    judged: list[JsonObject] = []
    for drill in Drill:
        record = _first(entries, drill)
        completed = None if record is None else parse_epoch(record.get("completedAt"))
        age_s = None if completed is None else inputs.now - completed
        findings += _findings(drill, record, age_s, inputs.thresholds.max_drill_age_h * 3600)
        status = None if record is None else record.get("status")
        judged.append({"id": drill.value, "status": status, "ageSeconds": age_s})
    return Verdict(findings, _evidence(entries, judged))


def _findings(drill: Drill, record: JsonObject | None, age_s: int | None, max_age_s: int) -> list[Finding]:
    if record is None:
        return [Finding(DrillTrouble.MISSING.of(drill), unknown=True)]
    found = []
    if record.get("status") != "pass":
        found.append(Finding(DrillTrouble.NOT_PASSED.of(drill)))
    if age_s is None or age_s < -_AHEAD_S:
        found.append(Finding(DrillTrouble.TIMESTAMP_INVALID.of(drill), unknown=True))
    elif age_s > max_age_s:
        found.append(Finding(DrillTrouble.STALE.of(drill)))
    return found


def _first(entries: list[JsonValue], drill: Drill) -> JsonObject | None:
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("id") == drill.value), None)


def _evidence(entries: list[JsonValue], judged: list[JsonObject]) -> JsonObject:
    """``judged``, what was read of the required drills, is ours."""
    return {"requiredDrills": [drill.value for drill in Drill], "drills": entries, "judged": judged}


GATE = Gate("drill_recency", "drillRecency", _judge)

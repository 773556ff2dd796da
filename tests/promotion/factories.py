"""Evidence of a fleet that may be promoted, and ways to spoil it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from opsd.contract.timestamps import format_utc
from opsd.promotion.evidence import execution_of
from opsd.promotion.inputs import DrillRecords, GateInputs, HandoffHistory, Source, Thresholds

NOW = 1_795_680_000  # 2026-11-26T08:00:00Z
HOUR = 3600
DRILLS = ("kill_switch", "sprite_service_outage", "ambiguous_retry_guard")
SOURCE = Source("/r", None, "h.jsonl", "d.json", "p.json", "p.jsonl")
LIMITS = Thresholds(window_executions=3, min_sample_size=3)


def autonomous(**changes: Any) -> dict[str, Any]:
    """The ``autonomous`` section of a healthy fleet's status; ``changes`` replace its keys."""
    section = {
        "enabled": True,
        "governance": {"posture": "active", "blocksAutonomous": False, "reasonCodes": []},
        "outcomeRollup": {"manual_backlog": 2},
        "rollout": {"autopause": {"active": False}, "state": {"autoPauseActive": False}},
        "safetyGateDecisions": {
            "byPath": {path: {} for path in ("policyGated", "rolloutGated", "governanceGated", "transportGated")}
        },
    }
    return copy.deepcopy(section) | changes


def row(attempted: Any = 2, executed: Any = 2, ambiguous: Any = 0, failed: Any = 0, **fields: Any) -> dict[str, Any]:
    """A row of the handoff telemetry about one autonomous execution."""
    counts = {
        "requestedIntentCount": attempted,
        "executedCount": executed,
        "ambiguousCount": ambiguous,
        "failedCount": failed,
    }
    stamp = format_utc(NOW - 2 * HOUR)
    execution = {"mode": "autonomous", **counts}
    return {"timestamp": stamp, "category": "fleet_handoff_execute", "execution": execution} | fields


def history(*rows: dict[str, Any]) -> HandoffHistory:
    runs = [execution_of(one) for one in rows]
    return HandoffHistory(tuple(run for run in runs if run is not None))


def drill(name: str, *, age_s: int = 3 * HOUR, **changes: Any) -> dict[str, Any]:
    return {"id": name, "status": "pass", "completedAt": format_utc(NOW - age_s)} | changes


def drills() -> list[Any]:
    return [drill(name) for name in DRILLS]


def inputs(**changes: Any) -> GateInputs:
    """What the gates of a healthy fleet judge; ``section`` replaces the status' ``autonomous``."""
    section = changes.pop("section", None)
    given: dict[str, Any] = {
        "now": NOW,
        "trace_id": "t",
        "source": SOURCE,
        "thresholds": LIMITS,
        "status": {"autonomous": autonomous() if section is None else section},
        "handoff": history(row(), row(), row()),
        "drills": DrillRecords(drills()),
    }
    return GateInputs(**(given | changes))


def fleet_folder(root: Path) -> Path:
    return root / ".superloop" / "ops-manager" / "fleet"


def write_evidence(root: Path, *, now: float, status: Any = None) -> Path:
    """Evidence on disk that promotes at ``LIMITS``; the path of the status file."""
    fleet = fleet_folder(root)
    (fleet / "telemetry").mkdir(parents=True)
    (fleet / "drills").mkdir()
    (fleet / "telemetry" / "handoff.jsonl").write_text("".join(json.dumps(row()) + "\n" for _ in range(3)))
    recent = [drill(name, completedAt=format_utc(now - HOUR)) for name in DRILLS]
    (fleet / "drills" / "promotion.v1.json").write_text(json.dumps({"schemaVersion": "v1", "drills": recent}))
    status_file = root / "status.json"
    status_file.write_text(json.dumps({"autonomous": autonomous()} if status is None else status))
    return status_file

"""What the results of all loops say of the fleet: its state and its telemetry row (contract 60, 3.7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import HealthStatus
from opsd.contract.timestamps import format_utc
from opsd.contract.values import first_present
from opsd.fleet.loop_result import LoopStatus, LoopTime


class FleetRunStatus(StrEnum):
    """How a fleet's pass went."""

    SUCCESS = "success"
    PARTIAL_FAILURE = "partial_failure"
    FAILED = "failed"


class FleetReason(StrEnum):
    """Why a fleet's pass is not plainly well."""

    PARTIAL_FAILURE = "fleet_partial_failure"
    RECONCILE_FAILED = "fleet_reconcile_failed"
    HEALTH_CRITICAL = "fleet_health_critical"
    HEALTH_DEGRADED = "fleet_health_degraded"
    LOOP_SKIPPED = "fleet_loop_skipped"


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How a fleet's pass is run; ``max_events`` is the digits as they were given, None where they were not."""

    trace_id: str
    max_parallel: int = 2
    deterministic_order: bool = False
    from_start: bool = False
    max_events: str | None = None


def fleet_state(
    fleet_id: JsonValue, options: FleetOptions, time: LoopTime, results: Sequence[JsonObject]
) -> JsonObject:
    """``state.json`` of the fleet."""
    counts = Counter(result["status"] for result in results)
    success, failed, skipped = (counts[status.value] for status in LoopStatus)
    return {
        "schemaVersion": "v1",
        "updatedAt": format_utc(time.ended_at),
        "startedAt": format_utc(time.started_at),
        "fleetId": first_present(fleet_id, "default"),
        "traceId": options.trace_id,
        "status": _status(success, failed).value,
        "reasonCodes": sorted(reason.value for reason in _reasons(success, failed, skipped, results)),
        "loopCount": len(results),
        "successCount": success,
        "failedCount": failed,
        "skippedCount": skipped,
        "durationSeconds": max(0, int(time.duration_s)),
        "execution": {
            "maxParallel": options.max_parallel,
            "deterministicOrder": options.deterministic_order,
            "fromStart": options.from_start,
            "maxEvents": int(options.max_events or 0),
        },
        "results": list(results),
    }


def telemetry_row(state: JsonObject) -> JsonObject:
    """The row that a fleet's pass leaves in its telemetry."""
    kept = ("status", "reasonCodes", "loopCount", "successCount", "failedCount", "skippedCount", "durationSeconds")
    return {
        "timestamp": state["updatedAt"],
        "category": "fleet_reconcile",
        "fleetId": state["fleetId"],
        "traceId": state["traceId"],
        **{key: state[key] for key in kept},
        "results": state["results"],
    }


def _status(success: int, failed: int) -> FleetRunStatus:
    if not failed:
        return FleetRunStatus.SUCCESS
    return FleetRunStatus.PARTIAL_FAILURE if success else FleetRunStatus.FAILED


def _reasons(success: int, failed: int, skipped: int, results: Sequence[JsonObject]) -> set[FleetReason]:
    found: set[FleetReason] = set()
    if failed:
        found.add(FleetReason.PARTIAL_FAILURE if success else FleetReason.RECONCILE_FAILED)
    health = [result["healthStatus"] for result in results]
    if HealthStatus.CRITICAL.value in health:
        found.add(FleetReason.HEALTH_CRITICAL)
    elif HealthStatus.DEGRADED.value in health:
        found.add(FleetReason.HEALTH_DEGRADED)
    if skipped:
        found.add(FleetReason.LOOP_SKIPPED)
    return found

"""Freshness of the sandbox's heartbeat, when there is one (contract 20, 4.2)."""

from __future__ import annotations

from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import ReasonCode, TransportKind
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import compact_text, drop_null, first_present, get


class HeartbeatObservation(NamedTuple):
    """``document`` replaces ``heartbeat.json`` (None: leave it), ``row`` is appended (None: nothing observed)."""

    document: JsonObject | None
    row: JsonObject | None


def observe(
    heartbeat: JsonValue,
    *,
    degraded_s: int,
    critical_s: int,
    loop_id: str,
    trace_id: str,
    transport: TransportKind,
    now: str,
) -> HeartbeatObservation:
    """Judge ``runtime.heartbeat`` of a snapshot; absence is normal and leaves no trace. Thresholds in seconds."""
    if heartbeat is None or heartbeat is False:
        return HeartbeatObservation(None, None)
    at = compact_text(first_present(get(heartbeat, "timestamp"), get(heartbeat, "updatedAt"), ""))
    beat = parse_epoch(at)
    common = {"timestamp": now, "loopId": loop_id, "traceId": trace_id, "transport": transport}
    if beat is None:
        reason = ReasonCode.INVALID_HEARTBEAT_TIMESTAMP if at else ReasonCode.MISSING_HEARTBEAT_TIMESTAMP
        row = drop_null(
            {
                **common,
                "category": "runtime_heartbeat",
                "status": "failed",
                "reasonCode": reason,
                "heartbeatAt": at or None,
                "heartbeat": heartbeat,
            }
        )
        return HeartbeatObservation(None, row)
    lag = max(0, (parse_epoch(now) or 0) - beat)
    freshness = "critical" if lag >= critical_s else "degraded" if lag >= degraded_s else "fresh"
    stale = None if freshness == "fresh" else ReasonCode.RUNTIME_HEARTBEAT_STALE
    document = drop_null(
        {
            "schemaVersion": "v1",
            "updatedAt": now,
            "loopId": loop_id,
            "traceId": trace_id,
            "transport": transport,
            "lastHeartbeatAt": at,
            "heartbeatLagSeconds": lag,
            "freshnessStatus": freshness,
            "reasonCode": stale,
            "thresholds": {"degradedHeartbeatLagSeconds": degraded_s, "criticalHeartbeatLagSeconds": critical_s},
            "heartbeat": heartbeat,
        }
    )
    row = drop_null(
        {
            **common,
            "category": "runtime_heartbeat",
            "status": freshness,
            "reasonCode": stale,
            "heartbeatAt": at,
            "heartbeatLagSeconds": lag,
            "heartbeat": heartbeat,
        }
    )
    return HeartbeatObservation(document, row)

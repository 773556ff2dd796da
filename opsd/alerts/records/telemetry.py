"""Rows of ``telemetry/alerts.jsonl`` (contract 50, section 6), keys in the contract's order.

``category`` is always the same word; the escalation's own is ``escalationCategory``. Additions stand behind the
contract's keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.alerts.records.rows import Escalation, UnusableLine
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import drop_null

CATEGORY = "alert_dispatch"
#: Longest ``rawLine`` and T4 ``message``, in bytes (W16).
MAX_TEXT_BYTES = 8 * 1024
#: Longest ``message`` of a resolver that failed, in characters.
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Run:
    """What all rows of one run share: ``now`` is the time of recording."""

    now: str
    loop_id: str
    trace_id: str


def unusable(run: Run, line: UnusableLine) -> JsonObject:
    """T1 and T2: a line that is no escalation."""
    row: JsonObject = {
        "timestamp": run.now,
        "loopId": run.loop_id,
        "traceId": run.trace_id,
        "category": CATEGORY,
        "status": "failed",
        "reasonCode": line.why.value,
    }
    if line.why.value == "invalid_escalation_json":
        return {**row, "rawLine": bounded(line.raw.decode("utf-8", "replace"))}
    return {**row, "escalation": jsoncodec.RawJson(line.exact)}


def resolver_failed(run: Run, row: Escalation, message: str) -> JsonObject:
    """T3: no route could be resolved."""
    told = message.replace("\n", " ")[:_MAX_MESSAGE]
    return drop_null(
        {
            **_head(run, row, run.loop_id),
            "escalationTimestamp": row.timestamp or None,
            "status": "failed",
            "reasonCode": "route_resolution_failed",
            "message": told or None,
            "escalation": jsoncodec.RawJson(row.exact),
        }
    )


def resolver_unusable(run: Run, row: Escalation, output: str) -> JsonObject:
    """T4: a replaced resolver answered something that is no route."""
    return {
        **_head(run, row, run.loop_id),
        "status": "failed",
        "reasonCode": "invalid_route_resolution",
        "message": bounded(output),
        "escalation": jsoncodec.RawJson(row.exact),
    }


def skipped(run: Run, row: Escalation, severity: str, reason: str, route: JsonValue, extra: JsonObject) -> JsonObject:
    """T5: a row that goes nowhere, with the reason."""
    return drop_null(
        {
            **_head(run, row, run.loop_id),
            "escalationTimestamp": row.timestamp or None,
            "eventSeverity": severity,
            "status": "skipped",
            "reasonCode": reason,
            "escalation": jsoncodec.RawJson(row.exact),
            "route": route,
            "sinkCount": 0,
            "dispatchedSinkCount": 0,
            "failedSinkCount": 0,
            **extra,
        }
    )


def sent(
    run: Run, row: Escalation, severity: str, route: JsonValue, sinks: Sequence[JsonObject], extra: JsonObject
) -> JsonObject:
    """T6: what became of a row's deliveries; ``extra`` may say another ``reasonCode``."""
    good = sum(sink["status"] == "success" for sink in sinks)
    bad = len(sinks) - good
    status, reason = row_status(good, bad)
    return drop_null(
        {
            **_head(run, row, row.loop_id),
            "escalationTimestamp": row.timestamp or None,
            "eventSeverity": severity,
            "status": status,
            "reasonCode": reason,
            "escalation": jsoncodec.RawJson(row.exact),
            "route": route,
            "sinks": list(sinks),
            "sinkCount": len(sinks),
            "dispatchedSinkCount": good,
            "failedSinkCount": bad,
            **extra,
        }
    )


def row_status(good: int, bad: int) -> tuple[str, str | None]:
    """Status and reason of a row by its sinks (50, 4.4, step 9)."""
    if not bad:
        return "dispatched", None
    return ("partial", "partial_dispatch_failure") if good else ("failed", "dispatch_failed")


def dispatcher_failed(run: Run, message: str) -> JsonObject:
    """T7: the dispatcher of a pass failed as a whole (50, 9.1)."""
    return drop_null(
        {
            "timestamp": run.now,
            "loopId": run.loop_id,
            "traceId": run.trace_id,
            "category": CATEGORY,
            "status": "failed_command",
            "reasonCode": "alert_dispatch_failed",
            "message": message or None,
        }
    )


def _head(run: Run, row: Escalation, loop_id: str) -> JsonObject:
    return {
        "timestamp": run.now,
        "loopId": loop_id,
        "traceId": run.trace_id,
        "escalationTraceId": row.trace_id,
        "category": CATEGORY,
        "escalationCategory": row.category,
    }


def bounded(value: str) -> str:
    """At most :data:`MAX_TEXT_BYTES` of a text, never half a character."""
    encoded = value.encode("utf-8", "replace")
    return value if len(encoded) <= MAX_TEXT_BYTES else encoded[:MAX_TEXT_BYTES].decode("utf-8", "ignore")

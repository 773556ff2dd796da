"""What a pass records of itself: telemetry row, cursor document, notes, damage (contract 20, 4.7; 10, 3.2)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import digits, drop_null, first_present, get
from opsd.loop.health import HealthInputs
from opsd.loop.outcome import PassSettings, PassTime
from opsd.storage.model import Document, LoopMemory
from opsd.transport.base import IngestCursor, IngestFailure, Observation


def telemetry_row(
    settings: PassSettings,
    memory: LoopMemory,
    latest: dict[Document, JsonObject],
    observation: Observation,
    failure: IngestFailure | None,
    health: JsonObject,
    trace_id: str,
    time: PassTime,
) -> JsonObject:
    """The ``reconcile.jsonl`` row (contract 20, 4.7)."""
    order = latest[Document.SEQUENCE] if failure is None else {}
    return drop_null(
        {
            "timestamp": format_utc(time.now),
            "startedAt": format_utc(time.started_at),
            "loopId": settings.loop_id,
            "traceId": trace_id,
            "transport": settings.transport,
            "status": "success" if failure is None else "failed",
            "failureCode": None if failure is None else failure.code,
            "failureMessage": None if failure is None else failure.message or None,
            "cursorOffsetBefore": 0 if settings.from_start else cursor_offset(memory.get(Document.CURSOR)),
            "cursorOffsetAfter": cursor_offset(latest.get(Document.CURSOR, {})),
            "eventsIngested": observation.events.count,
            "maxEvents": settings.max_events,
            "fromStart": settings.from_start,
            "retryAttempts": settings.retry_attempts,
            "retryBackoffSeconds": settings.retry_backoff_s,
            "thresholdProfile": settings.thresholds.profile,
            "durationSeconds": max(0, int(time.duration_s)),
            "transportFailureStreak": latest[Document.TRANSPORT_HEALTH]["failureStreak"],
            "sequenceStatus": order.get("status", "skipped_ingest_failed"),
            "sequenceReasonCode": order.get("reasonCode"),
            "healthStatus": health.get("status"),
            "healthReasonCodes": health.get("reasonCodes"),
            "skippedLine": settings.skip_line,
        }
    )


def cursor_offset(document: JsonObject) -> int:
    """``eventLineOffset`` of a cursor document; 0 when it is absent or not digits (contract 20, 2.4 step 11)."""
    return digits(first_present(document.get("eventLineOffset"), 0)) or 0


def cursor_document(repo: str, loop_id: str, cursor: IngestCursor, now: str) -> JsonObject:
    """``cursor.json``: the contract's seven fields and the digest that binds it to the journal (10, 3.2)."""
    return drop_null(
        {
            "schemaVersion": "v1",
            "repoPath": repo,
            "loopId": loop_id,
            "eventsFile": f".superloop/loops/{loop_id}/events.jsonl",
            "eventLineOffset": cursor.offset,
            "eventLineCount": cursor.line_count,
            "updatedAt": now,
            "anchorSha256": cursor.anchor,
        }
    )


_DAMAGE = (
    (Document.STATE, "state"),
    (Document.HEARTBEAT, "heartbeat state"),
    (Document.SEQUENCE, "sequence state"),
)


def damage_error(damaged: set[Document], settings: PassSettings) -> str | None:
    """The first file that health needed, that is damaged, and that this pass did not replace (contract 20, 6)."""
    for document, name in _DAMAGE:
        if document in damaged:
            return f"invalid {name} JSON: {settings.locations[document]}"
    return None


def notes(memory: LoopMemory, inputs: HealthInputs) -> list[tuple[str, JsonObject]]:
    found: list[tuple[str, JsonObject]] = [
        ("manager_file.damaged", {"document": document.value}) for document in sorted(memory.damaged)
    ]
    at: JsonValue = get(inputs.state, "projection", "lastEventAt")
    moment = parse_epoch(at)
    if at is not None and moment is None:
        found.append(("event.timestamp_unparseable", {"lastEventAt": str(at)[:64]}))
    elif moment is not None and moment > (parse_epoch(inputs.now) or 0):
        found.append(("event.timestamp_in_future", {"lastEventAt": at}))
    return found

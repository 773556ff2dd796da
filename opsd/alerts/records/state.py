"""The dispatch state document and the counters behind it (contract 50, 4.2, 4.5, 4.6 and 12.3 (d)). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opsd.alerts.records.outbox import Entry, Origin
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, digits, is_digits
from opsd.storage.alert_store import Position


@dataclass(slots=True)
class Counters:
    """What one run did. The first five count new rows only; the others work on anything."""

    processed: int = 0
    dispatched: int = 0
    skipped: int = 0
    failed: int = 0
    codes: set[str] = field(default_factory=set)
    from_backlog: int = 0
    dead_lettered: int = 0
    resolved: int = 0
    silenced: int = 0

    @property
    def status(self) -> str:
        """The run's status by its new rows (50, 4.5)."""
        if not self.processed:
            return "no_new_escalations"
        if not self.failed:
            return "success"
        return "partial" if self.dispatched else "failed"


def previous_offset(state: JsonObject) -> int:
    """``escalationsLineOffset`` of a stored state; 0 for whatever is no line number (50, 4.2)."""
    value = state.get("escalationsLineOffset")
    if isinstance(value, str) and not is_digits(value):
        return 0
    return digits(value) or 0


def previous_position(state: JsonObject) -> Position:
    """Where reading goes on: with bytes and identity as long as they belong to the stored offset (W16, W17)."""
    offset = previous_offset(state)
    stored = as_object(state.get("escalationsPosition"))
    line, byte, inode, first = (stored.get(key) for key in ("line", "byte", "inode", "firstLineSha256"))
    if line == offset and type(byte) is int and type(inode) is int and isinstance(first, str):
        return Position(offset, byte, inode, first)
    return Position(offset)


def position_json(position: Position) -> JsonObject:
    """The additive state field that :func:`previous_position` reads."""
    return {
        "line": position.line,
        "byte": position.byte,
        "inode": position.inode,
        "firstLineSha256": position.first_line,
    }


def refuse_lost_state(last_line: int, path: str) -> None:
    """An empty state file is not offset 0 when the journal says otherwise (W4).

    Raises:
        ManagerFileError: lines were read already.
    """
    if last_line:
        raise ManagerFileError(
            f"dispatch state file is empty, but {last_line} escalation lines were read already: {path}"
            " (delete it to send them again)"
        )


def state_document(
    *,
    now: float,
    loop_id: str,
    trace_id: str,
    escalations_file: str,
    telemetry_file: str,
    status: str,
    counters: Counters,
    offset: int,
    line_count: int,
    position: Position | None,
    entries: Iterable[Entry],
) -> JsonObject:
    """The contract's fourteen fields, then ours."""
    waiting = [entry for entry in entries if entry.origin is not Origin.REFRESH and (entry.parked or entry.pending)]
    pending = sum(1 if entry.parked else len(entry.pending) for entry in waiting)
    oldest = min((entry.received_at for entry in waiting), default=None)
    document: JsonObject = {
        "schemaVersion": "v1",
        "updatedAt": format_utc(now),
        "loopId": loop_id,
        "traceId": trace_id,
        "escalationsFile": escalations_file,
        "dispatchTelemetryFile": telemetry_file,
        "status": status,
        "processedCount": counters.processed,
        "dispatchedCount": counters.dispatched,
        "skippedCount": counters.skipped,
        "failedCount": counters.failed,
        "failureReasonCodes": sorted(counters.codes),
        "escalationsLineOffset": offset,
        "escalationsLineCount": line_count,
        "delivery": {
            "pendingCount": pending,
            "oldestPendingAt": None if oldest is None else format_utc(oldest),
            "deliveredFromBacklogCount": counters.from_backlog,
            "deadLetteredCount": counters.dead_lettered,
            "resolvedCount": counters.resolved,
            "silencedCount": counters.silenced,
        },
    }
    if position is not None and position.first_line:
        document["escalationsPosition"] = position_json(position)
    return document

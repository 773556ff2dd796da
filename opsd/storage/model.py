"""What the manager keeps of one loop, named without paths.

Rooms above the store speak of :class:`Document` and :class:`RowLog`; where these live is the store's business.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import number


class Document(StrEnum):
    """JSON documents that are replaced as a whole."""

    STATE = "state"
    CURSOR = "cursor"
    HEALTH = "health"
    HEARTBEAT = "heartbeat"
    SEQUENCE = "sequence"
    TRANSPORT_HEALTH = "transport_health"
    DRIFT = "drift"
    ALERT_DISPATCH = "alert_dispatch"


class RowLog(StrEnum):
    """JSONL files that rows are appended to."""

    ESCALATIONS = "escalations"
    INTENTS = "intents"
    RECONCILE = "reconcile"
    CONTROL = "control"
    HEARTBEAT = "heartbeat_rows"
    SEQUENCE = "sequence_rows"
    ALERTS = "alerts"
    DRIFT = "drift_rows"
    INVOCATIONS = "invocations"


class TailRow(NamedTuple):
    """What a telemetry summary reads of a row, and nothing more: hundreds of rows are kept for each loop of a fleet."""

    timestamp: str | None
    status: str | None
    reason_code: str | None
    health: str | None
    health_codes: tuple[str, ...]
    duration_s: int | float | None


def tail_row(row: JsonObject) -> TailRow:
    """The row without what no summary reads; a value of another kind counts as missing."""
    codes = row.get("healthReasonCodes")
    return TailRow(
        _text(row.get("timestamp")),
        _word(row.get("status")),
        _word(row.get("reasonCode")),
        _word(row.get("healthStatus")),
        tuple([sys.intern(code) for code in codes if type(code) is str]) if type(codes) is list else (),
        number(row.get("durationSeconds")),
    )


def _text(value: JsonValue) -> str | None:
    return value if type(value) is str else None


def _word(value: JsonValue) -> str | None:
    return sys.intern(value) if type(value) is str else None


@dataclass(frozen=True, slots=True)
class TelemetryTail:
    """The newest rows of both telemetry logs, oldest first; ``error`` says why they cannot be used."""

    reconcile: tuple[TailRow, ...] = ()
    control: tuple[TailRow, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class LoopMemory:
    """What earlier passes left.

    ``documents`` holds those that exist and parse to an object; ``damaged`` names the others that exist;
    ``last_intent`` is the last complete row of the intents log, empty when there is none or it is no object; ``tail``
    is only there where it was asked for.
    """

    documents: dict[Document, JsonObject] = field(default_factory=dict)
    damaged: frozenset[Document] = frozenset()
    last_intent: JsonObject = field(default_factory=dict)
    tail: TelemetryTail = TelemetryTail()

    def get(self, document: Document) -> JsonObject:
        """The document, empty when it is absent or damaged."""
        return self.documents.get(document, {})


@dataclass(slots=True)
class Commit:
    """What one pass leaves behind, in the order in which it has to reach the disk.

    Rows come first, then documents: what suppresses a repeat is never written before what it suppresses, and the
    cursor moves when everything that it stands for is there (contract 20, weaknesses 2 and 3). Rows marked durable
    are synced before anything behind them is written. Damaged documents are kept aside before they are replaced.
    """

    rows: list[tuple[RowLog, JsonObject]] = field(default_factory=list)
    durable: frozenset[RowLog] = frozenset({RowLog.ESCALATIONS})
    documents: list[tuple[Document, JsonObject]] = field(default_factory=list)
    set_aside: frozenset[Document] = frozenset()

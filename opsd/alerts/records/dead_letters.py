"""Deliveries that were given up: the row that keeps one, and which of them still wait for somebody (contract 50, R11).
Pure."""

from __future__ import annotations

from collections.abc import Iterable

from opsd.alerts.model import AlertSeverity
from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin
from opsd.alerts.records.rows import UnusableLine, read_line
from opsd.contract.jsoncodec import JsonObject, RawJson
from opsd.contract.timestamps import format_utc
from opsd.contract.values import get


def dead_letter(entry: Entry, delivery: Delivery, *, now: float) -> JsonObject:
    """A row of ``alert-dead-letter.jsonl``: no secret, no address; enough to tell it again."""
    row = entry.escalation
    kind = delivery.view.get("type")
    return {
        "timestamp": format_utc(now),
        "deliveryId": delivery.id,
        "loopId": row.loop_id,
        "sinkId": delivery.sink_id,
        "sinkType": kind if isinstance(kind, str) else "unknown",
        "category": row.category,
        "severity": entry.severity.value,
        "escalation": RawJson(row.exact),
        "attempts": delivery.attempts,
        "firstAttemptAt": None if delivery.first_attempt_at is None else format_utc(delivery.first_attempt_at),
        "lastAttemptAt": None if delivery.last_attempt_at is None else format_utc(delivery.last_attempt_at),
        "reasonCode": delivery.last.get("reasonCode"),
        "lastHttpStatus": delivery.last.get("httpStatus"),
        "lastMessage": delivery.last.get("message"),
        "line": row.number,
        "traceId": row.trace_id,
        "dedupKey": delivery.dedup_key,
        "incident": entry.incident,
        "sink": delivery.view,
        "route": entry.route,
        "resolvedAt": entry.resolved_at,
        "exact": row.exact.decode(),
    }


def replayed_row(delivery_id: str, *, now: float) -> JsonObject:
    """The row that records a replay; the letter is no longer dead from then on."""
    return {"timestamp": format_utc(now), "deliveryId": delivery_id, "replayed": True}


def outstanding(rows: Iterable[JsonObject]) -> dict[str, JsonObject]:
    """The dead letters that were not replayed since they died, by delivery id, oldest first."""
    found: dict[str, JsonObject] = {}
    for row in rows:
        delivery_id = row.get("deliveryId")
        if not isinstance(delivery_id, str):
            continue
        found.pop(delivery_id, None)
        if row.get("replayed") is not True:
            found[delivery_id] = row
    return found


def shown(row: JsonObject) -> JsonObject:
    """The row as a person sees it: what the contract lists."""
    return {key: value for key, value in row.items() if key not in _OWN_KEYS}


_OWN_KEYS = frozenset({"line", "traceId", "dedupKey", "incident", "sink", "route", "resolvedAt", "exact"})


def revived(row: JsonObject, *, now: float) -> Entry | None:
    """An entry that tells a dead letter again, with the same ids; None when the row cannot be understood."""
    try:
        raw = row["exact"].encode()
        escalation = read_line(row["line"], raw, loop_id=row["loopId"], trace_id=row["traceId"])
        if isinstance(escalation, UnusableLine) or not isinstance(get(row, "sink"), dict):
            return None
        delivery = Delivery(row["deliveryId"], row["sink"], row["dedupKey"], DeliveryState.PENDING)
        return Entry(
            id=f"replay:{delivery.id}",
            origin=Origin.REPLAY,
            escalation=escalation,
            received_at=now,
            severity=AlertSeverity(row["severity"]),
            route=row.get("route"),
            deliveries=[delivery],
            incident=row["incident"],
            resolved_at=row.get("resolvedAt"),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None

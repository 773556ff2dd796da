"""Small builders of rows, entries and deliveries."""

from __future__ import annotations

import json
from typing import Any

from opsd.alerts.model import AlertSeverity
from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin
from opsd.alerts.records.rows import Escalation, read_line

NOW = 1_795_521_600.0


def row(category: str = "health_critical", number: int = 1, *, loop_id: str = "demo", **more: Any) -> Escalation:
    """An escalation of a loop."""
    text = json.dumps({"category": category, **more}).encode()
    found = read_line(number, text, loop_id=loop_id, trace_id="tr")
    assert isinstance(found, Escalation)
    return found


def delivery(identity: str, sink: str = "desk", **more: Any) -> Delivery:
    """A delivery to a sink."""
    return Delivery(identity, {"id": sink, "type": "webhook"}, f"key-{identity}", **more)


def entry(identity: str, *deliveries: Delivery, origin: Origin = Origin.ROW, **more: Any) -> Entry:
    """Something to tell."""
    escalation = more.pop("escalation", None) or row()
    incident = f"{escalation.loop_id}:{escalation.category}"
    values = {"received_at": NOW, "severity": AlertSeverity.CRITICAL, "incident": incident, **more}
    return Entry(identity, origin, escalation, deliveries=list(deliveries), **values)


def settled(one: Delivery, state: DeliveryState, *, attempts: int = 1, maybe: bool = False) -> Delivery:
    """The delivery after its attempts."""
    one.state, one.attempts, one.maybe = state, attempts, maybe
    one.first_attempt_at = one.last_attempt_at = NOW
    one.last = {"status": "failed", "reasonCode": "http_error", "httpStatus": 500, "message": None}
    return one

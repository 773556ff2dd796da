"""The write-ahead journal of deliveries, as values (contract 50, R4, R5).

An *entry* is one thing to tell (a row, a resolve, a repeat) with one *delivery* for each sink. The journal has three
kinds of lines: an entry (the intent, synced before its first request), what became of an attempt (synced behind it),
and that an entry's telemetry row stands. :func:`fold` rebuilds the entries from them, so that a run that was killed
goes on where it was: what was delivered is not sent again, what was not is, with the same id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from opsd.alerts.model import Action, AlertSeverity, AttemptResult
from opsd.alerts.records.rows import Escalation, UnusableLine, read_line
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import drop_null


class Origin(StrEnum):
    """Why something is told."""

    ROW = "row"
    RESOLVE = "resolve"
    REPEAT = "repeat"
    RELEASED = "released"
    REPLAY = "replay"
    #: Told again to a receiver that forgets (R17); neither journalled nor reported.
    REFRESH = "refresh"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Delivery:
    """One notification to one sink. Moments in seconds since 1970.

    ``view`` is the resolver's object of the sink. ``last`` is the last attempt's result (50, 5.1), or the reason why
    there was none. ``maybe``: a request may have arrived although no answer said so.
    """

    id: str
    view: JsonObject
    dedup_key: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    first_attempt_at: float | None = None
    last_attempt_at: float | None = None
    next_at: float = 0.0
    last: JsonObject = field(default_factory=dict)
    maybe: bool = False
    #: Attempts of this run only; not journalled.
    attempts_in_run: int = 0

    @property
    def sink_id(self) -> str:
        """The sink's id, as telemetry names it."""
        found = self.view.get("id")
        return found if isinstance(found, str) and found else "unknown"

    def note(self, result: AttemptResult, *, now: float) -> None:
        """Take in what an attempt brought."""
        self.attempts += 1
        self.attempts_in_run += 1
        self.first_attempt_at = self.first_attempt_at if self.first_attempt_at is not None else now
        self.last_attempt_at = now
        self.last = result.as_json()

    def as_json(self) -> JsonObject:
        """The delivery as the journal has it."""
        return drop_null(
            {
                "deliveryId": self.id,
                "sink": self.view,
                "dedupKey": self.dedup_key,
                "state": self.state.value,
                "attempts": self.attempts,
                "firstAttemptAt": self.first_attempt_at,
                "lastAttemptAt": self.last_attempt_at,
                "nextAt": self.next_at,
                "last": self.last,
                "maybe": self.maybe,
            }
        )


@dataclass(slots=True)
class Entry:
    """One thing to tell, and how far that is.

    Args:
        id: unique in the journal.
        escalation: the row that it tells about.
        severity, route: what the resolver said; None while ``parked`` (no route could be resolved yet).
        incident: key of the incident that it opened or ends.
        release_at: a grouped row waits until then; ``group`` is its group's key.
        leader: id of the entry whose notification tells this one too.
        resolved_at: set when it tells an end.
        reported: its telemetry row stands; what comes later gets a row of its own.
        backlog: from an earlier run; no counter of new rows counts it. Not journalled.
        report_by: when its telemetry row is due. Not journalled.
    """

    id: str
    origin: Origin
    escalation: Escalation
    received_at: float
    severity: AlertSeverity = AlertSeverity.WARNING
    route: JsonValue = None
    deliveries: list[Delivery] = field(default_factory=list)
    incident: str = ""
    parked: bool = False
    release_at: float = 0.0
    group: str = ""
    leader: str = ""
    resolved_at: str | None = None
    reported: bool = False
    backlog: bool = False
    report_by: float = 0.0

    @property
    def action(self) -> Action:
        """What its receivers are told."""
        return Action.TRIGGER if self.resolved_at is None else Action.RESOLVE

    @property
    def pending(self) -> list[Delivery]:
        """Deliveries that are not over."""
        return [delivery for delivery in self.deliveries if delivery.state is DeliveryState.PENDING]

    def as_json(self) -> JsonObject:
        """The journal's line of the entry, complete with what is known of its deliveries."""
        row = self.escalation
        return drop_null(
            {
                "kind": "entry",
                "entry": self.id,
                "origin": self.origin.value,
                "line": row.number,
                "exact": row.exact.decode(),
                "raw": None if row.raw == row.exact else row.raw.decode("latin-1"),
                "loopId": row.loop_id,
                "traceId": row.trace_id,
                "receivedAt": self.received_at,
                "severity": self.severity.value,
                "route": self.route,
                "deliveries": [delivery.as_json() for delivery in self.deliveries],
                "incident": self.incident,
                "parked": self.parked,
                "releaseAt": self.release_at,
                "group": self.group,
                "leader": self.leader,
                "resolvedAt": self.resolved_at,
                "reported": self.reported,
            }
        )


def has_told(entry: Entry, delivery: Delivery) -> bool:
    """Whether a delivery that is over has told its sink of a beginning, or may have (R8)."""
    arrived = delivery.state is DeliveryState.DELIVERED or (delivery.state is DeliveryState.DEAD and delivery.maybe)
    return arrived and entry.action is Action.TRIGGER


def attempt_line(delivery: Delivery) -> JsonObject:
    """The journal's line behind an attempt."""
    return {"kind": "attempt", **delivery.as_json(), "sink": None}


def reported_line(entry: Entry) -> JsonObject:
    """The journal's line behind an entry's telemetry row."""
    return {"kind": "reported", "entry": entry.id}


def fold(lines: Iterable[JsonObject]) -> dict[str, Entry]:
    """The entries of a journal, in their order. A line that makes no sense is passed over."""
    entries: dict[str, Entry] = {}
    deliveries: dict[str, Delivery] = {}
    for line in lines:
        try:
            kind = line.get("kind")
            if kind == "entry":
                entry = _entry(line)
                entries[entry.id] = entry
                deliveries.update((delivery.id, delivery) for delivery in entry.deliveries)
            elif kind == "attempt" and line["deliveryId"] in deliveries:
                _update(deliveries[line["deliveryId"]], line)
            elif kind == "reported" and line["entry"] in entries:
                entries[line["entry"]].reported = True
        except (KeyError, TypeError, ValueError):
            continue
    return entries


def compacted(entries: Iterable[Entry]) -> list[JsonObject]:
    """The lines of a journal that says what ``entries`` still need."""
    return [entry.as_json() for entry in entries]


def _entry(line: JsonObject) -> Entry:
    raw = line["raw"].encode("latin-1") if "raw" in line else line["exact"].encode()
    row = read_line(line["line"], raw, loop_id=line["loopId"], trace_id=line["traceId"])
    if isinstance(row, UnusableLine):
        raise TypeError("an entry without an escalation")
    return Entry(
        id=line["entry"],
        origin=Origin(line["origin"]),
        escalation=row,
        received_at=float(line["receivedAt"]),
        severity=AlertSeverity(line["severity"]),
        route=line.get("route"),
        deliveries=[_delivery(each) for each in line["deliveries"]],
        incident=line["incident"],
        parked=line["parked"] is True,
        release_at=float(line["releaseAt"]),
        group=line["group"],
        leader=line["leader"],
        resolved_at=line.get("resolvedAt"),
        reported=line["reported"] is True,
    )


def _delivery(value: JsonObject) -> Delivery:
    delivery = Delivery(value["deliveryId"], value["sink"], value["dedupKey"])
    _update(delivery, value)
    return delivery


def _update(delivery: Delivery, value: JsonObject) -> None:
    delivery.state = DeliveryState(value["state"])
    delivery.attempts = int(value["attempts"])
    delivery.first_attempt_at = value.get("firstAttemptAt")
    delivery.last_attempt_at = value.get("lastAttemptAt")
    delivery.next_at = float(value["nextAt"])
    delivery.last = value["last"]
    delivery.maybe = value["maybe"] is True

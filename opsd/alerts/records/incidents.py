"""The ledger of incidents: what was told to whom, and what has to be told when it is over (contract 50, R7, R8, R16).

An incident is open from the first row of its category that somebody is to be told, until its recovery. It is told
again (a repeat), or for the first time (after a silence), while it is open. Pure: the ledger is a value that the
dispatcher loads and stores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from opsd.alerts.model import AlertSeverity
from opsd.alerts.records.rows import Escalation, UnusableLine, read_line
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import as_object, digits, drop_null

_Parsed = TypeVar("_Parsed")

#: Newest dedup keys that are remembered of one sink; each needs a resolve of its own.
MAX_KEYS = 500
#: How long a resolved incident is told again to receivers that forget (50, R8), in seconds.
RESEND_RESOLVED_S = 300.0


@dataclass(slots=True)
class Told:
    """What one sink knows of an incident: ``keys`` maps dedup keys to the delivery that told it."""

    view: JsonObject
    keys: dict[str, str] = field(default_factory=dict)
    last_at: float = 0.0


@dataclass(slots=True)
class Incident:
    """One open incident.

    Args:
        key: ``<loop>:<category>``.
        escalation, severity, route: its last row, and what the resolver said of it.
        last_row_at: seconds since 1970; only artifacts that are newer count as a recovery.
        fingerprint: what makes two rows equal (R16).
        told_at: when it was last told to anybody.
        held: why it was not told yet (``silenced``, ``inhibited``); empty when it was.
    """

    key: str
    escalation: Escalation
    severity: AlertSeverity
    route: JsonValue
    opened_at: float
    last_row_at: float
    fingerprint: str
    told: dict[str, Told] = field(default_factory=dict)
    told_at: float = 0.0
    held: str = ""
    repeats: int = 0


@dataclass(slots=True)
class Ledger:
    """All incidents of one loop.

    ``resolved``: those whose end is still told to receivers that forget. ``group_told_at``: when a group's
    notification last left. ``last_line``: the highest line that was ever read.
    """

    open: dict[str, Incident] = field(default_factory=dict)
    resolved: dict[str, tuple[float, Incident]] = field(default_factory=dict)
    group_told_at: dict[str, float] = field(default_factory=dict)
    last_line: int = 0


def incident_key(row: Escalation) -> str:
    """Identity of the incident that a row belongs to."""
    return f"{row.loop_id}:{row.category}"


def record_row(
    ledger: Ledger, row: Escalation, severity: AlertSeverity, route: JsonValue, *, now: float, held: str = ""
) -> Incident:
    """Open the row's incident, or make the row its last one. ``held``: why nobody is told of this row."""
    key = incident_key(row)
    at = float(parse_epoch(row.timestamp) or now)
    incident = ledger.open.get(key)
    if incident is None:
        incident = ledger.open[key] = Incident(key, row, severity, route, now, at, fingerprint(row), held=held)
    else:
        incident.escalation, incident.severity, incident.route = row, severity, route
        incident.last_row_at = max(incident.last_row_at, at)
        incident.fingerprint = fingerprint(row)
        if not incident.told and not incident.told_at:
            incident.held = held
    ledger.resolved.pop(key, None)
    return incident


def record_told(ledger: Ledger, key: str, view: JsonObject, dedup_key: str, delivery_id: str, *, now: float) -> None:
    """A sink knows of an incident, or may know. Telling the same thing twice changes nothing."""
    incident = ledger.open.get(key)
    if incident is None:
        _at, incident = ledger.resolved.get(key, (0.0, None))  # its end waits behind what was just told
    if incident is None:
        return
    sink_id = str(view.get("id"))
    told = incident.told.setdefault(sink_id, Told(view))
    told.view = view
    told.keys[dedup_key] = delivery_id
    while len(told.keys) > MAX_KEYS:
        del told.keys[next(iter(told.keys))]
    told.last_at = now
    incident.told_at = now
    incident.held = ""


def record_repeat(incident: Incident, *, now: float) -> None:
    """The incident is being told again, or for the first time after it was held back."""
    incident.held, incident.told_at = "", now
    incident.repeats += 1


def record_resolved(ledger: Ledger, incident: Incident, *, now: float) -> None:
    """The incident is over."""
    ledger.open.pop(incident.key, None)
    ledger.resolved[incident.key] = (now, incident)


def forget_old(ledger: Ledger, *, now: float) -> None:
    """Drop what no run needs any more."""
    ledger.resolved = {
        key: (at, incident) for key, (at, incident) in ledger.resolved.items() if now - at < RESEND_RESOLVED_S
    }
    if len(ledger.group_told_at) > MAX_KEYS:
        newest = sorted(ledger.group_told_at.items(), key=lambda item: item[1])[-MAX_KEYS:]
        ledger.group_told_at = dict(newest)


_IDENTIFYING = ("category", "severity", "healthStatus", "reasonCode", "reasonCodes", "divergenceFlags", "failureCode")


def fingerprint(row: Escalation) -> str:
    """Equal for rows that tell the same thing: all but their time, trace and evidence (R16)."""
    same = {"loopId": row.loop_id, **{key: row.value.get(key) for key in _IDENTIFYING}}
    return sha256(jsoncodec.dumps(same)).hexdigest()[:32]


def ledger_json(ledger: Ledger, *, now: float) -> JsonObject:
    """``alert-incidents.json``."""
    return {
        "schemaVersion": "v1",
        "updatedAt": format_utc(now),
        "lastLine": ledger.last_line,
        "incidents": {key: _incident_json(incident) for key, incident in ledger.open.items()},
        "resolved": {
            key: {"resolvedAt": format_utc(at), "at": at, "incident": _incident_json(incident)}
            for key, (at, incident) in ledger.resolved.items()
        },
        "groups": ledger.group_told_at,
    }


def parse_ledger(document: JsonObject) -> Ledger:
    """The ledger in a document that this project wrote; what makes no sense in it is left out, and nothing else."""
    return Ledger(
        open=_sensible(document.get("incidents"), _incident),
        resolved=_sensible(
            document.get("resolved"), lambda key, value: (float(value["at"]), _incident(key, value["incident"]))
        ),
        group_told_at=_sensible(document.get("groups"), lambda _key, at: float(at)),
        last_line=digits(document.get("lastLine")) or 0,
    )


def _sensible(value: JsonValue, parse: Callable[[str, Any], _Parsed]) -> dict[str, _Parsed]:
    found = {}
    for key, item in as_object(value).items():
        try:
            found[key] = parse(key, item)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def _incident_json(incident: Incident) -> JsonObject:
    row = incident.escalation
    return drop_null(
        {
            "loopId": row.loop_id,
            "category": row.category,
            "severity": incident.severity.value,
            "openedAt": format_utc(incident.opened_at),
            "lastRowAt": format_utc(incident.last_row_at),
            "toldAt": format_utc(incident.told_at) if incident.told_at else None,
            "held": incident.held or None,
            "sinks": {
                sink_id: {"sink": told.view, "keys": told.keys, "lastAt": told.last_at}
                for sink_id, told in incident.told.items()
            },
            "at": {"opened": incident.opened_at, "lastRow": incident.last_row_at, "told": incident.told_at},
            "fingerprint": incident.fingerprint,
            "repeats": incident.repeats,
            "row": {"line": row.number, "exact": row.exact.decode(), "traceId": row.trace_id},
            "route": incident.route,
        }
    )


def _incident(key: str, value: JsonObject) -> Incident:
    stored = value["row"]
    row = read_line(stored["line"], stored["exact"].encode(), loop_id=value["loopId"], trace_id=stored["traceId"])
    if isinstance(row, UnusableLine):
        raise TypeError("an incident without an escalation")
    at = value["at"]
    return Incident(
        key=key,
        escalation=row,
        severity=AlertSeverity(value["severity"]),
        route=value.get("route"),
        opened_at=float(at["opened"]),
        last_row_at=float(at["lastRow"]),
        fingerprint=value["fingerprint"],
        told={
            sink_id: Told(told["sink"], dict(told["keys"]), float(told["lastAt"]))
            for sink_id, told in value["sinks"].items()
        },
        told_at=float(at["told"]),
        held=value.get("held") or "",
        repeats=int(value["repeats"]),
    )

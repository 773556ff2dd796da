"""Reading one line of ``escalations.jsonl`` (contract 50, 1 and 4.4, steps 1 to 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue, well_formed
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import text


class Unusable(StrEnum):
    """Why a line is no escalation that could be told to anybody."""

    BLANK = "blank"
    INVALID = "invalid_escalation_json"
    NO_CATEGORY = "missing_escalation_category"


@dataclass(frozen=True, slots=True)
class Escalation:
    """A row that can be routed.

    ``loop_id`` and ``trace_id`` are the *event's* (50, 4.4): the row's own, else those of the run. ``exact`` is the
    row's JSON text as it was written. ``timestamp`` and ``severity`` are empty when the row has none.
    """

    number: int
    raw: bytes
    exact: bytes
    value: JsonObject
    category: str
    severity: str
    loop_id: str
    trace_id: str
    timestamp: str

    @property
    def starts_at(self) -> str | None:
        """The timestamp, when it is a valid time."""
        return self.timestamp if parse_epoch(self.timestamp) is not None else None

    @property
    def reason_codes(self) -> tuple[str, ...]:
        """The codes that the row names, in ``reasonCodes`` or ``reasonCode``."""
        codes = self.value.get("reasonCodes")
        named = codes if isinstance(codes, list) else [self.value.get("reasonCode")]
        return tuple(code for code in named if isinstance(code, str))

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """What matchers look at (50, R13), without severity and sink, which the route decides."""
        return {
            "loopId": (self.loop_id,),
            "category": (self.category,),
            "transport": (field(self.value, "transport"),),
            "reasonCode": self.reason_codes,
        }


@dataclass(frozen=True, slots=True)
class UnusableLine:
    """A line that cannot be routed; ``exact`` is its JSON text when it is JSON."""

    number: int
    raw: bytes
    why: Unusable
    exact: bytes = b"null"


def read_line(number: int, raw: bytes, *, loop_id: str, trace_id: str) -> Escalation | UnusableLine:
    """What line ``number`` (from 1) says; ``loop_id`` and ``trace_id`` are the run's."""
    if not raw.strip():
        return UnusableLine(number, raw, Unusable.BLANK)
    try:
        value = jsoncodec.loads(raw)
    except ValueError:
        return UnusableLine(number, raw, Unusable.INVALID)
    if value is not None and not isinstance(value, dict):
        return UnusableLine(number, raw, Unusable.INVALID)
    exact = raw.decode("utf-8", "replace").strip().encode()
    category = field(value or {}, "category")
    if value is None or not category:
        return UnusableLine(number, raw, Unusable.NO_CATEGORY, exact)
    return Escalation(
        number=number,
        raw=raw,
        exact=exact,
        value=value,
        category=category,
        severity=field(value, "severity"),
        loop_id=field(value, "loopId") or loop_id,
        trace_id=field(value, "traceId") or trace_id,
        timestamp=field(value, "timestamp"),
    )


def field(row: JsonObject, key: str) -> str:
    """FIELD(row, key) of the contract: text, empty for absent, null, false and empty."""
    value: JsonValue = row.get(key)
    if value is None or value is False:
        return ""
    return well_formed(value if isinstance(value, str) else text(value))


def delivery_id(loop_id: str, sink_id: str, number: int, raw: bytes, occurrence: int = 1) -> str:
    """The stable identity of a row's delivery to a sink (50, R4); ``loop_id`` is the run's, not the row's."""
    parts = [well_formed(loop_id).encode(), well_formed(sink_id).encode(), str(number).encode(), raw]
    if occurrence > 1:
        parts.append(str(occurrence).encode())
    return "omd_" + sha256(b"\n".join(parts)).hexdigest()[:32]


def derived_delivery_id(kind: str, *parts: str) -> str:
    """The stable identity of a notification that no row asks for by itself: a resolve, a repeat, a group."""
    return "omd_" + sha256("\n".join([kind, *map(well_formed, parts)]).encode()).hexdigest()[:32]

"""What a drill leaves behind: its entry in the evidence file that the promotion gates read (contract 90, A3.5). Pure.

Invariants: an entry says ``pass`` only when the drill was carried out to its end and everything that it claims held;
recording one drill changes nothing about the others, nor about anything in the file that nobody here knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.contract.values import absent, drop_null
from opsd.promotion.words import Drill

PASS: Final = "pass"  # noqa: S105 - no password
FAIL: Final = "fail"


@dataclass(frozen=True, slots=True)
class Observed:
    """One thing that had to hold: what was claimed, whether it did, and what was seen (any JSON value)."""

    claim: str
    held: bool
    found: JsonValue

    def document(self) -> JsonObject:
        """As it is recorded."""
        return {"claim": self.claim, "held": self.held, "found": self.found}


@dataclass(frozen=True, slots=True)
class DrillResult:
    """One drill that is over.

    Attributes:
        started_at, ended_at: seconds since 1970.
        fleet: the fleet that it was carried out against, ``sandbox`` or ``live``.
        version, commit: of the manager that was drilled; the commit None where it is not known.
        sandbox: the folder with all that it left, None when that is gone.
        error: why it could not be carried out to its end, "" when it was.
        requested_by, trace_id: who wanted it, and in which run; None where that is not known.
    """

    drill: Drill
    started_at: float
    ended_at: float
    observed: Sequence[Observed]
    fleet: str
    version: str
    commit: str | None = None
    sandbox: str | None = None
    error: str = ""
    requested_by: str | None = None
    trace_id: str | None = None

    @property
    def passed(self) -> bool:
        """Carried out to its end, something was looked at, and all of it held."""
        return not self.error and bool(self.observed) and all(one.held for one in self.observed)

    def left_in(self, sandbox: str) -> DrillResult:
        """The same, with the folder that is left of it."""
        return replace(self, sandbox=sandbox)

    def document(self) -> JsonObject:
        """The entry; everything behind ``completedAt`` is ours."""
        entry: JsonObject = drop_null(
            {
                "id": self.drill.value,
                "status": PASS if self.passed else FAIL,
                "completedAt": format_utc(self.ended_at),
                "startedAt": format_utc(self.started_at),
                "durationSeconds": round(self.ended_at - self.started_at, 1),
                "fleet": self.fleet,
                "version": self.version,
                "commit": self.commit,
                "requestedBy": self.requested_by,
                "traceId": self.trace_id,
                "sandbox": self.sandbox,
                "error": self.error or None,
                "observed": [one.document() for one in self.observed],
            }
        )
        return entry


def parse_evidence(data: bytes | None, path: str) -> JsonObject:
    """The evidence file's document, a new one where there is none or where it is ``null``.

    Raises:
        ManagerFileError: it is something that the gates would call invalid; writing over it would lose it.
    """
    try:
        document = None if data is None else jsoncodec.loads(data)
    except ValueError:
        document = ()
    if document is None:
        return {"schemaVersion": "v1"}
    if not isinstance(document, dict) or not (absent(document.get("drills")) or isinstance(document["drills"], list)):
        raise ManagerFileError(f"invalid drill state JSON: {path}; move it away to begin anew")
    return document


def with_result(document: JsonObject, result: DrillResult) -> JsonObject:
    """The document with the result in place of the drill's first entry, which is the one that counts."""
    drills = document.get("drills")
    entries = list(drills) if isinstance(drills, list) else []
    entry = result.document()
    position = next(
        (at for at, one in enumerate(entries) if isinstance(one, dict) and one.get("id") == result.drill), None
    )
    if position is None:
        entries.append(entry)
    else:
        entries[position] = entry
    return {**document, "updatedAt": entry["completedAt"], "drills": entries}

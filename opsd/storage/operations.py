"""Who did what: a row before it is done and a row after, in a hash chain of its own, synced.

Nothing is done that could not be written down before. What was asked for goes into the row, a token never: it is in no
request's body, and a header is in no row.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FleetStore

_LOCK_WAIT_S = 10.0


def requested(
    action: str, principal: str, credential: str, trace_id: str, path: Mapping[str, str], body: object, now: float
) -> JsonObject:
    """The row before. ``credential`` is the id of the token that proved the principal, empty where none did;
    ``path`` what it is about, empty for the fleet."""
    return {
        **_head("requested", action, principal, credential, trace_id, now),
        "target": dict(path) or {"fleet": True},
        "request": body,
    }


def ended(
    action: str, principal: str, credential: str, trace_id: str, status: int, code: str | None, now: float
) -> JsonObject:
    """The row after: the HTTP status that tells how it ended, and the error's code, None where there was none."""
    return {**_head("ended", action, principal, credential, trace_id, now), "status": status, "code": code}


def write(store: FleetStore, row: JsonObject) -> None:
    """Append a row; blocking. Requests are carried out side by side, and each row has to follow the one before it.

    Raises:
        LockTimeoutError: the log was written to all the time.
        ManagerFileError: it is not in the audit.
    """
    store.append_audited(FleetLog.OPERATIONS, [row], wait_s=_LOCK_WAIT_S)


def _head(phase: str, action: str, principal: str, credential: str, trace_id: str, now: float) -> JsonObject:
    return {
        "schemaVersion": "v1",
        "timestamp": format_utc(now),
        "phase": phase,
        "action": action,
        "principal": principal,
        "credential": credential or None,
        "traceId": trace_id,
    }

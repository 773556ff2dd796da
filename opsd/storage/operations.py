"""Who did what: a row before it is done and a row after, in a hash chain of its own, synced. Whose rights were seen to
have changed is in it too.

Nothing is done that could not be written down before. What was asked for goes into the row, a token never: no request's
path or body has a place for one, and headers and answers are in no row.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_port import FleetStore

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


def rights_seen(
    name: str, before: JsonObject | None, after: JsonObject | None, trace_id: str, now: float
) -> JsonObject:
    """The row of a principal whose rights have changed in the principals file, whoever changed them there.

    ``before`` and ``after`` are its scopes and loops, None where there is no such principal.
    """
    return {
        **_head("seen", "principalRights", None, "", trace_id, now),
        "target": {"name": name},
        "before": before,
        "after": after,
    }


def write(store: FleetStore, *rows: JsonObject) -> None:
    """Append rows; blocking. Requests are carried out side by side, and each row has to follow the one before it.

    Raises:
        LockTimeoutError: the log was written to all the time.
        ManagerFileError: they are not in the audit.
    """
    store.append_audited(FleetLog.OPERATIONS, rows, wait_s=_LOCK_WAIT_S)


def _head(phase: str, action: str, principal: str | None, credential: str, trace_id: str, now: float) -> JsonObject:
    return {
        "schemaVersion": "v1",
        "timestamp": format_utc(now),
        "phase": phase,
        "action": action,
        "principal": principal,
        "credential": credential or None,
        "traceId": trace_id,
    }

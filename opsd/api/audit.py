"""Who did what over the API: a row before it is done and a row after, in a hash chain of its own, synced.

Nothing is done that could not be written down before. What a request says goes into the row, its token never: it is
in no body, and a header is in no row.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from opsd.access.authenticate import Identity
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.storage.fleet_store import FleetLog, FleetStore


def requested(action: str, identity: Identity, trace_id: str, path: Mapping[str, str], body: object) -> JsonObject:
    """The row before."""
    return {
        **_head("requested", action, identity, trace_id),
        "target": dict(path) or {"fleet": True},
        "request": body,
    }


def ended(action: str, identity: Identity, trace_id: str, status: int, code: str | None) -> JsonObject:
    """The row after; ``code`` of the error that was answered, None where none was."""
    return {**_head("ended", action, identity, trace_id), "status": status, "code": code}


def write(store: FleetStore, row: JsonObject) -> None:
    """Append a row; blocking.

    Raises:
        ManagerFileError: it is not in the audit.
    """
    store.append_audited(FleetLog.OPERATIONS, [row])


def _head(phase: str, action: str, identity: Identity, trace_id: str) -> JsonObject:
    return {
        "schemaVersion": "v1",
        "timestamp": format_utc(time.time()),
        "phase": phase,
        "action": action,
        "principal": identity.name,
        "credential": identity.credential or None,
        "traceId": trace_id,
    }

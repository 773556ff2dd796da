"""The transport failure streak: how many passes in a row could not ingest (contract 20, 4.1)."""

from __future__ import annotations

import hashlib

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.values import as_object, digits, drop_null, first_present
from opsd.transport.base import IngestFailure


def advance(
    previous: JsonObject, failure: IngestFailure | None, *, transport: TransportKind, trace_id: str, now: str
) -> JsonObject:
    """The next ``transport-health.json``.

    Beside the contract's fields: ``failureCounts`` (failures per code, ever) and ``passId``, the identity of this
    pass. The document is the last that a pass writes, so a pass that is repeated after a crash finds the ``passId``
    that it found before.
    """
    streak = digits(first_present(previous.get("failureStreak"), 0)) or 0
    counts = as_object(previous.get("failureCounts"))
    if failure is not None:
        counts = {**counts, failure.code: (digits(counts.get(failure.code)) or 0) + 1}
    return drop_null(
        {
            "schemaVersion": "v1",
            "updatedAt": now,
            "traceId": trace_id,
            "transport": transport,
            "lastResult": "success" if failure is None else "failed",
            "failureStreak": 0 if failure is None else streak + 1,
            "lastFailureCode": None if failure is None else failure.code,
            "lastSuccessAt": now if failure is None else previous.get("lastSuccessAt"),
            "lastFailureAt": now if failure is not None else previous.get("lastFailureAt"),
            "failureCounts": counts or None,
            "passId": stable_id(pass_id(previous), trace_id, now),
        }
    )


def pass_id(document: JsonObject) -> str:
    """Identity of the pass that wrote the document, ``none`` before the first one."""
    value = document.get("passId")
    return value if isinstance(value, str) else "none"


def stable_id(*parts: str) -> str:
    """32 hex digits that depend on the parts alone."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]

"""Which envelopes a projection accepts at all (contract 10, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsd.contract.errors import ProjectionError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import EVENT_TYPE, SCHEMA_VERSION, SNAPSHOT_TYPE
from opsd.contract.values import first_present, get


def check_snapshot(snapshot: JsonValue, loop_id: str) -> JsonObject:
    """The snapshot, if it is a snapshot envelope of this loop.

    Raises:
        ProjectionError: it is anything else.
    """
    if (
        get(snapshot, "schemaVersion") != SCHEMA_VERSION
        or get(snapshot, "envelopeType") != SNAPSHOT_TYPE
        or first_present(get(snapshot, "source", "loopId"), "") != loop_id
    ):
        raise ProjectionError("snapshot envelope is invalid or loop id mismatch")
    envelope: JsonObject = snapshot
    return envelope


def check_events(events: Sequence[Any], loop_id: str) -> None:
    """Every envelope must be an event of this loop with a name.

    Raises:
        ProjectionError: one is anything else.
    """
    for envelope in events:
        try:
            if (
                envelope["schemaVersion"] == SCHEMA_VERSION
                and envelope["envelopeType"] == EVENT_TYPE
                and envelope["source"]["loopId"] == loop_id
                and envelope["event"]["name"] not in (None, False, "")
            ):
                continue
        except (KeyError, TypeError, IndexError):
            pass
        raise ProjectionError("event envelope is invalid or loop id mismatch")

"""Sequence diagnostics: did snapshots and events come in order (contract 20, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import ReasonCode, SequenceViolation, TransportKind
from opsd.contract.values import digits, drop_null, get


def diagnose(
    previous: JsonObject,
    snapshot: JsonObject,
    event_sequences: Sequence[Any],
    *,
    from_start: bool,
    loop_id: str,
    trace_id: str,
    transport: TransportKind,
    now: str,
) -> JsonObject:
    """The next ``sequence-state.json``; ``event_sequences`` are the ``sequence.value`` of this pass's events.

    Beside the contract's fields: ``events.highest``, the highest sequence ever ingested, which an idle pass does not
    forget, and ``replay`` on a deliberate replay, so that it can be told from a regression.
    """
    previous_snapshot = digits(get(previous, "snapshot", "current"))
    previous_event = digits(get(previous, "events", "last"))
    was_active = previous.get("driftActive") is True
    current = digits(get(snapshot, "sequence", "value"))
    values = [digits(value) for value in event_sequences]
    usable = [value for value in values if value is not None]
    first = usable[0] if usable else None
    last = usable[-1] if usable else None
    snapshot_regressed = current is not None and previous_snapshot is not None and current < previous_snapshot
    within = all(a <= b for a, b in pairwise(usable))
    across = first is None or previous_event is None or first >= previous_event
    found = {
        SequenceViolation.SNAPSHOT_MISSING: current is None,
        SequenceViolation.SNAPSHOT_REGRESSION: snapshot_regressed,
        SequenceViolation.EVENT_MISSING: len(usable) < len(values),
        SequenceViolation.EVENT_NON_MONOTONIC: not within,
        SequenceViolation.EVENT_REGRESSION: not across,
    }
    violations = sorted(violation.value for violation, seen in found.items() if seen)
    drifting = bool(violations)
    highest = max(
        (value for value in (last, digits(get(previous, "events", "highest"))) if value is not None), default=None
    )
    return drop_null(
        {
            "schemaVersion": "v1",
            "updatedAt": now,
            "loopId": loop_id,
            "traceId": trace_id,
            "transport": transport,
            "status": ReasonCode.ORDERING_DRIFT_DETECTED if drifting else "ok",
            "reasonCode": ReasonCode.ORDERING_DRIFT_DETECTED if drifting else None,
            "driftActive": drifting,
            "violations": violations,
            "snapshot": {
                "previous": previous_snapshot,
                "current": current,
                "monotonic": current is not None and not snapshot_regressed,
                "regressed": snapshot_regressed,
                "missing": current is None,
            },
            "events": {
                "ingestedCount": len(values),
                "previousLast": previous_event,
                "first": first,
                "last": last,
                "monotonicWithinBatch": within,
                "monotonicAcrossBatches": across,
                "regressed": not within or not across,
                "missing": len(usable) < len(values),
                "highest": highest,
            },
            "transition": {
                "previousDriftActive": was_active,
                "transitionedToDrift": drifting and not was_active,
                "recoveredFromDrift": was_active and not drifting,
            },
            "replay": True if from_start else None,
        }
    )


def telemetry_row(state: JsonObject) -> JsonObject:
    """The ``sequence.jsonl`` row of a sequence state."""
    return drop_null(
        {
            "timestamp": state["updatedAt"],
            "loopId": state["loopId"],
            "traceId": state["traceId"],
            "transport": state["transport"],
            "category": "envelope_sequence",
            "status": state["status"],
            "reasonCode": state.get("reasonCode"),
            "driftActive": state["driftActive"],
            "violations": state["violations"],
            "snapshot": state["snapshot"],
            "events": state["events"],
            "transition": state["transition"],
        }
    )

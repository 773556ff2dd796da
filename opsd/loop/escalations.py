"""Escalation rows: what somebody has to be told, each with a stable id (contract 20, 4.6).

The id depends on the pass before (:func:`opsd.loop.transport_health.pass_id`, written last of all), the loop, the
category and what it tells. A pass that is repeated after a crash therefore gives the same ids again, and two
different passes never do.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import EscalationCategory, HealthStatus, TransportKind
from opsd.contract.values import as_object, drop_null, first_present, get
from opsd.loop.transport_health import stable_id
from opsd.transport.base import IngestFailure


@dataclass(frozen=True, slots=True)
class EscalationContext:
    """What all rows of one pass share; the ``*_file`` values are locations as the store names them."""

    loop_id: str
    trace_id: str
    transport: TransportKind
    now: str
    previous_pass: str
    state_file: str
    cursor_file: str
    health_file: str
    sequence_state_file: str
    sequence_telemetry_file: str
    drift_state_file: str = ""
    drift_history_file: str = ""

    def row(self, category: str, evidence: str, fields: JsonObject) -> JsonObject:
        """A row with its common fields; ``evidence`` is what tells it from another of the same pass."""
        return drop_null(
            {
                "timestamp": self.now,
                "loopId": self.loop_id,
                "traceId": self.trace_id,
                "category": category,
                "transport": self.transport,
                **fields,
                "escalationId": stable_id(self.previous_pass, self.loop_id, category, evidence),
            }
        )


def divergence(context: EscalationContext, state: JsonObject) -> JsonObject | None:
    """On every pass whose projection diverges."""
    if get(state, "divergence", "any") is not True:
        return None
    flags = as_object(get(state, "divergence", "flags"))
    return context.row(
        EscalationCategory.DIVERGENCE_DETECTED,
        ",".join(sorted(name for name, raised in flags.items() if raised)),
        {
            "stateFile": context.state_file,
            "cursorFile": context.cursor_file,
            "divergenceFlags": flags,
            "state": {key: as_object(state.get(key)) for key in ("transition", "projection", "cursor")},
        },
    )


def ordering_drift(context: EscalationContext, sequence: JsonObject) -> JsonObject | None:
    """When the sequence starts to drift."""
    if get(sequence, "transition", "transitionedToDrift") is not True:
        return None
    return context.row(
        EscalationCategory.ORDERING_DRIFT_DETECTED,
        ",".join(sequence["violations"]),
        {
            "reasonCode": "ordering_drift_detected",
            "stateFile": context.state_file,
            "sequenceStateFile": context.sequence_state_file,
            "sequenceTelemetryFile": context.sequence_telemetry_file,
            "sequence": {key: sequence[key] for key in ("status", "driftActive", "violations", "snapshot", "events")},
        },
    )


def health_change(
    context: EscalationContext, health: JsonObject, previous: JsonObject, failure: IngestFailure | None
) -> JsonObject | None:
    """When health is not healthy and its status or its list of codes differs from the pass before."""
    status, codes = health["status"], health["reasonCodes"]
    before = first_present(previous.get("status"), HealthStatus.HEALTHY)
    codes_before = first_present(previous.get("reasonCodes"), [])
    if status == HealthStatus.HEALTHY or (status == before and codes == codes_before):
        return None
    return context.row(
        f"health_{status}",
        ",".join(map(str, codes)),
        {
            "ingestStatus": "success" if failure is None else "failed",
            "failureCode": None if failure is None else failure.code,
            "stateFile": context.state_file,
            "cursorFile": context.cursor_file,
            "healthFile": context.health_file,
            "healthStatus": status,
            "reasonCodes": codes,
            "reasons": health["reasons"],
        },
    )

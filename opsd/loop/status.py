"""The operator status: one document from all that a loop's passes left (contract 40, section 6), as a pure function.

Beside the contract's fields: ``age`` with ``healthAgeSeconds`` and ``lastReconcileAgeSeconds``, for a manager that
stopped an hour ago still shows what it knew then, ``tuning.error``, why there is no summary, and ``problems``, which
files the daemon's view could not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import drop_null, first_present, get

Section = JsonObject | None


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """What the status is made of; a document or last row that there is none of is None."""

    repo: str
    loop_id: str
    now: str
    summary_window: int
    files: Mapping[str, str]
    state: JsonObject = field(default_factory=dict)
    cursor: JsonObject = field(default_factory=dict)
    health: JsonObject = field(default_factory=dict)
    heartbeat: Section = None
    sequence: Section = None
    drift: Section = None
    dispatch: Section = None
    delivery: Section = None
    last_intent: Section = None
    last_reconcile: Section = None
    last_control: Section = None
    last_heartbeat: Section = None
    last_sequence: Section = None
    last_invocation: Section = None
    last_alert: Section = None
    summary: Section = None
    summary_error: str | None = None
    #: Which documents could not be used, where that is not an error as a whole (weakness 9).
    problems: tuple[str, ...] = ()


def status(inputs: StatusInputs) -> JsonObject:
    """The status document."""
    state, cursor = inputs.state, inputs.cursor
    traces = _traces(inputs)
    shown_health = _first(state.get("health"), inputs.health)
    return drop_null(
        {
            "schemaVersion": "v1",
            "generatedAt": inputs.now,
            "source": {"repoPath": inputs.repo, "loopId": inputs.loop_id},
            "lifecycle": {
                "state": _first(
                    get(state, "transition", "currentState"), get(state, "projection", "status"), "unknown"
                ),
                "confidence": _first(get(state, "transition", "confidence")),
                "runId": _first(get(state, "run", "runId")),
                "iteration": _first(get(state, "run", "iteration")),
            },
            "health": shown_health,
            "cursor": {
                key: _first(cursor.get(key), get(state, "cursor", key), 0)
                for key in ("eventLineOffset", "eventLineCount")
            },
            "control": {
                "lastIntent": _first(get(inputs.last_intent, "intent")),
                "lastStatus": _first(get(inputs.last_intent, "status")),
                "lastRequestedBy": _first(get(inputs.last_intent, "requestedBy")),
                "lastTimestamp": _first(get(inputs.last_intent, "timestamp")),
                "lastTraceId": traces["controlTraceId"],
            },
            "reconcile": {
                "lastStatus": _first(get(inputs.last_reconcile, "status")),
                "lastTimestamp": _first(get(inputs.last_reconcile, "timestamp")),
                "lastTransport": _first(get(inputs.last_reconcile, "transport")),
                "lastFailureCode": _first(get(inputs.last_reconcile, "failureCode")),
                "lastDurationSeconds": _first(get(inputs.last_reconcile, "durationSeconds")),
                "lastTraceId": traces["reconcileTraceId"],
            },
            "visibility": _visibility(inputs, traces),
            "tuning": _tuning(inputs),
            "drift": inputs.drift if inputs.drift is not None else _first(state.get("drift")),
            "alerts": _alerts(inputs),
            "traceLinkage": {**traces, "sharedTraceId": _linked_trace(traces)},
            "files": dict(inputs.files),
            "age": {
                "healthAgeSeconds": _age(inputs.now, get(shown_health, "updatedAt")),
                "lastReconcileAgeSeconds": _age(inputs.now, get(inputs.last_reconcile, "timestamp")),
            },
            "problems": list(inputs.problems) or None,
        }
    )


def _first(*values: JsonValue) -> JsonValue:
    """``a ?? b ?? null``."""
    return first_present(*values, None)


def _age(now: str, at: JsonValue) -> int | None:
    moment = parse_epoch(at)
    return None if moment is None else max(0, (parse_epoch(now) or 0) - moment)


def _traces(inputs: StatusInputs) -> JsonObject:
    """The six trace ids of 6.4 and 6.6."""
    return {
        "controlTraceId": _first(get(inputs.last_intent, "traceId"), get(inputs.last_control, "traceId")),
        "controlInvocationTraceId": _first(get(inputs.last_invocation, "traceId")),
        "reconcileTraceId": _first(get(inputs.last_reconcile, "traceId")),
        "heartbeatTraceId": _first(get(inputs.heartbeat, "traceId"), get(inputs.last_heartbeat, "traceId")),
        "sequenceTraceId": _first(get(inputs.sequence, "traceId"), get(inputs.last_sequence, "traceId")),
        "alertTraceId": _first(get(inputs.last_alert, "traceId"), get(inputs.dispatch, "traceId")),
    }


def _linked_trace(traces: JsonObject) -> JsonValue:
    """``traceLinkage.sharedTraceId`` (6.6): reconcile and alert agree, and control does not contradict."""
    reconcile, alert, control = traces["reconcileTraceId"], traces["alertTraceId"], traces["controlTraceId"]
    return reconcile if reconcile is not None and reconcile == alert and control in (None, reconcile) else None


def _seen_trace(traces: JsonObject) -> JsonValue:
    """``visibility.trace.sharedTraceId`` (6.4): all that are present agree."""
    names = ("controlTraceId", "reconcileTraceId", "alertTraceId", "heartbeatTraceId", "sequenceTraceId")
    present = [traces[name] for name in names if traces[name] is not None]
    return present[0] if present and all(trace == present[0] for trace in present) else None


def _visibility(inputs: StatusInputs, traces: JsonObject) -> JsonObject:
    return drop_null(
        {
            "heartbeat": _heartbeat(inputs),
            "sequence": _sequence(inputs),
            "invocationAudit": _invocation(inputs.last_invocation),
            "trace": drop_null({**traces, "sharedTraceId": _seen_trace(traces)}),
        }
    )


def _heartbeat(inputs: StatusInputs) -> Section:
    document, row, details = inputs.heartbeat, inputs.last_heartbeat, get(inputs.health, "details")
    told = [get(details, key) for key in ("lastHeartbeatAt", "heartbeatLagSeconds", "heartbeatFreshnessStatus")]
    if document is None and row is None and all(value is None for value in told):
        return None
    at, lag, freshness = told
    return drop_null(
        {
            "freshnessStatus": _first(get(document, "freshnessStatus"), freshness),
            "reasonCode": _first(get(document, "reasonCode"), get(row, "reasonCode")),
            "lastHeartbeatAt": _first(get(document, "lastHeartbeatAt"), at, get(row, "heartbeatAt")),
            "heartbeatLagSeconds": _first(get(document, "heartbeatLagSeconds"), lag, get(row, "heartbeatLagSeconds")),
            "updatedAt": _first(get(document, "updatedAt"), get(row, "timestamp")),
            "transport": _first(get(document, "transport"), get(row, "transport")),
            "traceId": _first(get(document, "traceId"), get(row, "traceId")),
        }
    )


def _sequence(inputs: StatusInputs) -> Section:
    document, row, details = inputs.sequence, inputs.last_sequence, get(inputs.health, "details")
    if document is None and row is None and get(details, "sequenceStatus") is None:
        return None
    drifting = get(document, "driftActive") is True or get(row, "driftActive") is True
    return drop_null(
        {
            "status": _first(get(document, "status"), get(details, "sequenceStatus"), get(row, "status")),
            "reasonCode": _first(get(document, "reasonCode"), get(row, "reasonCode")),
            "driftActive": True if drifting else None,
            "violations": _first(get(document, "violations"), get(row, "violations")),
            "snapshotCurrent": _first(get(document, "snapshot", "current"), get(row, "snapshot", "current")),
            "eventsLast": _first(get(document, "events", "last"), get(row, "events", "last")),
            "updatedAt": _first(get(document, "updatedAt"), get(details, "sequenceUpdatedAt"), get(row, "timestamp")),
            "transport": _first(get(document, "transport"), get(row, "transport")),
            "traceId": _first(get(document, "traceId"), get(row, "traceId")),
        }
    )


def _invocation(row: Section) -> Section:
    if row is None:
        return None
    return drop_null(
        {
            **{key: _first(row.get(key)) for key in ("timestamp", "intent", "transport", "idempotencyKey", "traceId")},
            "executionStatus": _first(get(row, "execution", "status")),
            "confirmationStatus": _first(get(row, "confirmation", "status")),
            "outcomeStatus": _first(get(row, "outcome", "status")),
            "replayed": True if get(row, "execution", "replayed") is True else None,
        }
    )


def _tuning(inputs: StatusInputs) -> JsonObject:
    summary = inputs.summary
    section: JsonObject = {
        "summaryWindow": inputs.summary_window,
        "appliedProfile": _first(
            get(inputs.state, "health", "thresholds", "profile"), get(inputs.health, "thresholds", "profile")
        ),
        "recommendedProfile": _first(get(summary, "recommendedProfile")),
        "confidence": _first(get(summary, "confidence")),
        "rationale": _first(get(summary, "rationale")),
        "telemetrySummary": _summary_parts(summary),
    }
    if inputs.summary_error is not None:
        section["error"] = inputs.summary_error
    return section


def _summary_parts(summary: Section) -> Section:
    if summary is None:
        return None
    return {key: first_present(summary.get(key), {}) for key in ("observed", "source")}


_COUNTS = ("processedCount", "dispatchedCount", "skippedCount", "failedCount")
_DELIVERY = (
    "timestamp",
    "status",
    "reasonCode",
    "escalationCategory",
    "eventSeverity",
    "sinkCount",
    "dispatchedSinkCount",
    "failedSinkCount",
    "traceId",
    "escalationTraceId",
)


def _alerts(inputs: StatusInputs) -> Section:
    dispatch, delivery = inputs.dispatch, inputs.last_alert
    if dispatch is None and delivery is None:
        return None
    shown: Section = None
    if dispatch is not None:
        shown = drop_null(
            {
                "status": _first(dispatch.get("status")),
                "updatedAt": _first(dispatch.get("updatedAt")),
                **{key: first_present(dispatch.get(key), 0) for key in _COUNTS},
                "failureReasonCodes": first_present(dispatch.get("failureReasonCodes"), []),
                "escalationsLineOffset": first_present(dispatch.get("escalationsLineOffset"), 0),
                "escalationsLineCount": first_present(dispatch.get("escalationsLineCount"), 0),
                "lastTraceId": _first(dispatch.get("traceId")),
            }
        )
    last = None if delivery is None else drop_null({key: _first(delivery.get(key)) for key in _DELIVERY})
    pending = _first(get(dispatch, "delivery", "pendingCount"))
    return drop_null({"dispatch": shown, "lastDelivery": last, "pendingCount": pending, **(inputs.delivery or {})})

"""One pass of one loop as a pure function: memory and observation in, what to write and say out (contract 20, 4).

The order of the stages is the contract's: projection, transport streak, heartbeat, sequence, health, state,
escalations, telemetry. Nothing here reads a clock or a file; :mod:`opsd.loop.reconcile` does what the
:class:`Outcome` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opsd.contract.checks import check_snapshot
from opsd.contract.errors import ProjectionError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import as_object, digits, drop_null, first_present, get
from opsd.loop import escalations, heartbeat, projection, sequence, transport_health
from opsd.loop import health as health_module
from opsd.loop.health import HealthInputs, Judge
from opsd.loop.thresholds import Thresholds
from opsd.storage.layout import Part
from opsd.storage.model import Commit, Document, LoopMemory, RowLog
from opsd.transport.base import IngestCursor, IngestFailure, Observation

#: What ``evidence`` names as the source of a projection that never was a file (contract 20, weakness 22).
IN_MEMORY_SNAPSHOT = "memory:snapshot"
IN_MEMORY_EVENTS = "memory:events"


@dataclass(frozen=True, slots=True)
class PassSettings:
    """How one loop is judged; constant between configuration changes.

    ``retry_backoff_s`` in seconds; ``locations`` are the store's names of its parts, quoted in escalation rows.
    """

    repo: str
    loop_id: str
    transport: TransportKind
    thresholds: Thresholds
    locations: dict[Part, str]
    max_events: int = 0
    from_start: bool = False
    retry_attempts: int = 3
    retry_backoff_s: int = 1
    skip_line: int | None = None
    reage_heartbeat: bool = False
    spare_finished: bool = False


@dataclass(frozen=True, slots=True)
class PassTime:
    """Moments of one pass in seconds since 1970, and its duration by a clock that does not jump."""

    started_at: float
    now: float
    duration_s: float


@dataclass(slots=True)
class Outcome:
    """What one pass concluded.

    ``document`` is what the command prints: the state on success, the health object on failure. ``error`` names a
    damaged manager file that the pass could not work without; health and telemetry are committed all the same.
    ``cursor_offset`` is the line up to which events are ingested. ``notes`` are facts for the log that change nothing.
    """

    commit: Commit
    document: JsonObject
    health: JsonObject
    state: JsonObject | None
    failure: IngestFailure | None
    events_ingested: int
    cursor_offset: int
    escalations: list[JsonObject]
    error: str | None = None
    notes: list[tuple[str, JsonObject]] = field(default_factory=list)


def evaluate(
    memory: LoopMemory,
    observation: Observation,
    settings: PassSettings,
    *,
    trace_id: str,
    time: PassTime,
    judge: Judge = health_module.judge,
) -> Outcome:
    """Judge one observation against what is remembered; see the module's docstring."""
    now = format_utc(time.now)
    projected, failure = _project(memory, observation, settings, now)
    transport = transport_health.advance(
        memory.get(Document.TRANSPORT_HEALTH), failure, transport=settings.transport, trace_id=trace_id, now=now
    )
    rows: list[tuple[RowLog, JsonObject]] = []
    documents: list[tuple[Document, JsonObject]] = []
    latest = dict(memory.documents)
    damaged = set(memory.damaged)

    def replace_document(document: Document, value: JsonObject) -> None:
        documents.append((document, value))
        latest[document] = value
        damaged.discard(document)

    if failure is None and observation.snapshot is not None:
        beat = heartbeat.observe(
            get(observation.snapshot, "runtime", "heartbeat"),
            degraded_s=settings.thresholds.degraded_heartbeat_lag_s,
            critical_s=settings.thresholds.critical_heartbeat_lag_s,
            loop_id=settings.loop_id,
            trace_id=trace_id,
            transport=settings.transport,
            now=now,
        )
        if beat.row is not None:
            rows.append((RowLog.HEARTBEAT, beat.row))
        if beat.document is not None:
            replace_document(Document.HEARTBEAT, beat.document)
        order = sequence.diagnose(
            memory.get(Document.SEQUENCE),
            observation.snapshot,
            observation.events.sequences,
            from_start=settings.from_start,
            loop_id=settings.loop_id,
            trace_id=trace_id,
            transport=settings.transport,
            now=now,
        )
        rows.append((RowLog.SEQUENCE, sequence.telemetry_row(order)))
        latest[Document.SEQUENCE] = order
        damaged.discard(Document.SEQUENCE)

    inputs = HealthInputs(
        now=now,
        thresholds=settings.thresholds,
        transport=settings.transport,
        trace_id=trace_id,
        ingest_failed=failure is not None,
        failure_code=None if failure is None else failure.code,
        state=projected if projected is not None else latest.get(Document.STATE, {}),
        heartbeat=latest.get(Document.HEARTBEAT, {}),
        sequence=latest.get(Document.SEQUENCE, {}),
        transport_health=transport,
        last_intent=memory.last_intent,
        reage_heartbeat=settings.reage_heartbeat,
        spare_finished=settings.spare_finished,
    )
    health = judge(inputs)
    replace_document(Document.HEALTH, health)
    state = _state(projected, latest, health, trace_id)
    if state is not None:
        replace_document(Document.STATE, state)

    raised = _escalations(settings, memory, state if failure is None else None, latest, health, failure, trace_id, now)
    cursor = observation.cursor if failure is None else None
    if cursor is not None:
        replace_document(Document.CURSOR, cursor_document(settings.repo, settings.loop_id, cursor, now))
    if failure is None:
        # Behind the cursor: events that are read again after a crash must not look like a regression.
        replace_document(Document.SEQUENCE, latest[Document.SEQUENCE])
    replace_document(Document.TRANSPORT_HEALTH, transport)
    rows.append((RowLog.RECONCILE, _telemetry(settings, memory, latest, observation, failure, health, trace_id, time)))
    error = _damage_error(damaged, settings)
    return Outcome(
        commit=Commit(
            rows=[(RowLog.ESCALATIONS, row) for row in raised] + rows,
            documents=documents,
            set_aside=memory.damaged - {Document.CURSOR} if failure is not None else memory.damaged,
        ),
        document=state if failure is None and state is not None else health,
        health=health,
        state=state,
        failure=failure,
        events_ingested=observation.events.count,
        cursor_offset=cursor_offset(latest.get(Document.CURSOR, {})),
        escalations=raised,
        error=error,
        notes=_notes(memory, inputs),
    )


def _project(
    memory: LoopMemory, observation: Observation, settings: PassSettings, now: str
) -> tuple[JsonObject | None, IngestFailure | None]:
    if observation.failure is not None:
        return None, observation.failure
    try:
        snapshot = check_snapshot(observation.snapshot, settings.loop_id)
        observation.events.check(settings.loop_id)
        projected = projection.project(
            snapshot,
            observation.events.last,
            memory.get(Document.STATE),
            repo=settings.repo,
            loop_id=settings.loop_id,
            now=now,
            snapshot_file=IN_MEMORY_SNAPSHOT,
            events_file=IN_MEMORY_EVENTS,
        )
    except ProjectionError as error:
        return None, IngestFailure(FailureCode.PROJECTION_FAILED, f"error: {error.message}")
    return projected, None


def _state(
    projected: JsonObject | None, latest: dict[Document, JsonObject], health: JsonObject, trace_id: str
) -> JsonObject | None:
    """``state.json`` in its final form: written once, never without its health (contract 20, 4.5 and 4.11)."""
    if projected is not None:
        return {
            **projected,
            "health": health,
            "trace": {"reconcileTraceId": trace_id},
            "sequence": latest[Document.SEQUENCE],
        }
    previous = latest.get(Document.STATE)
    if previous is None:
        return None
    trace = {**as_object(previous.get("trace")), "reconcileTraceId": trace_id}
    return {**previous, "health": health, "trace": trace}


def _escalations(
    settings: PassSettings,
    memory: LoopMemory,
    ingested_state: JsonObject | None,
    latest: dict[Document, JsonObject],
    health: JsonObject,
    failure: IngestFailure | None,
    trace_id: str,
    now: str,
) -> list[JsonObject]:
    context = escalations.EscalationContext(
        loop_id=settings.loop_id,
        trace_id=trace_id,
        transport=settings.transport,
        now=now,
        previous_pass=transport_health.pass_id(memory.get(Document.TRANSPORT_HEALTH)),
        state_file=settings.locations[Document.STATE],
        cursor_file=settings.locations[Document.CURSOR],
        health_file=settings.locations[Document.HEALTH],
        sequence_state_file=settings.locations[Document.SEQUENCE],
        sequence_telemetry_file=settings.locations[RowLog.SEQUENCE],
    )
    found: list[JsonObject | None] = []
    if ingested_state is not None:
        found.append(escalations.divergence(context, ingested_state))
        found.append(escalations.ordering_drift(context, latest[Document.SEQUENCE]))
    found.append(escalations.health_change(context, health, memory.get(Document.HEALTH), failure))
    return [row for row in found if row is not None]


def _telemetry(
    settings: PassSettings,
    memory: LoopMemory,
    latest: dict[Document, JsonObject],
    observation: Observation,
    failure: IngestFailure | None,
    health: JsonObject,
    trace_id: str,
    time: PassTime,
) -> JsonObject:
    """The ``reconcile.jsonl`` row (contract 20, 4.7)."""
    order = latest[Document.SEQUENCE] if failure is None else {}
    return drop_null(
        {
            "timestamp": format_utc(time.now),
            "startedAt": format_utc(time.started_at),
            "loopId": settings.loop_id,
            "traceId": trace_id,
            "transport": settings.transport,
            "status": "success" if failure is None else "failed",
            "failureCode": None if failure is None else failure.code,
            "failureMessage": None if failure is None else failure.message or None,
            "cursorOffsetBefore": 0 if settings.from_start else cursor_offset(memory.get(Document.CURSOR)),
            "cursorOffsetAfter": cursor_offset(latest.get(Document.CURSOR, {})),
            "eventsIngested": observation.events.count,
            "maxEvents": settings.max_events,
            "fromStart": settings.from_start,
            "retryAttempts": settings.retry_attempts,
            "retryBackoffSeconds": settings.retry_backoff_s,
            "thresholdProfile": settings.thresholds.profile,
            "durationSeconds": max(0, int(time.duration_s)),
            "transportFailureStreak": latest[Document.TRANSPORT_HEALTH]["failureStreak"],
            "sequenceStatus": order.get("status", "skipped_ingest_failed"),
            "sequenceReasonCode": order.get("reasonCode"),
            "healthStatus": health.get("status"),
            "healthReasonCodes": health.get("reasonCodes"),
            "skippedLine": settings.skip_line,
        }
    )


def cursor_offset(document: JsonObject) -> int:
    """``eventLineOffset`` of a cursor document; 0 when it is absent or not digits (contract 20, 2.4 step 11)."""
    return digits(first_present(document.get("eventLineOffset"), 0)) or 0


def cursor_document(repo: str, loop_id: str, cursor: IngestCursor, now: str) -> JsonObject:
    """``cursor.json``: the contract's seven fields and the digest that binds it to the journal (10, 3.2)."""
    return drop_null(
        {
            "schemaVersion": "v1",
            "repoPath": repo,
            "loopId": loop_id,
            "eventsFile": f".superloop/loops/{loop_id}/events.jsonl",
            "eventLineOffset": cursor.offset,
            "eventLineCount": cursor.line_count,
            "updatedAt": now,
            "anchorSha256": cursor.anchor,
        }
    )


_DAMAGE = (
    (Document.STATE, "state"),
    (Document.HEARTBEAT, "heartbeat state"),
    (Document.SEQUENCE, "sequence state"),
)


def _damage_error(damaged: set[Document], settings: PassSettings) -> str | None:
    """The first file that health needed, that is damaged, and that this pass did not replace (contract 20, 6)."""
    for document, name in _DAMAGE:
        if document in damaged:
            return f"invalid {name} JSON: {settings.locations[document]}"
    return None


def _notes(memory: LoopMemory, inputs: HealthInputs) -> list[tuple[str, JsonObject]]:
    notes: list[tuple[str, JsonObject]] = [
        ("manager_file.damaged", {"document": document.value}) for document in sorted(memory.damaged)
    ]
    at: JsonValue = get(inputs.state, "projection", "lastEventAt")
    moment = parse_epoch(at)
    if at is not None and moment is None:
        notes.append(("event.timestamp_unparseable", {"lastEventAt": str(at)[:64]}))
    elif moment is not None and moment > (parse_epoch(inputs.now) or 0):
        notes.append(("event.timestamp_in_future", {"lastEventAt": at}))
    return notes

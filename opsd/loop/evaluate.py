"""One pass of one loop as a pure function: memory and observation in, what to write and say out (contract 20, 4).

The order of the stages is the contract's: projection, transport streak, heartbeat, sequence, health, state,
escalations, telemetry. Nothing here reads a clock or a file; :mod:`opsd.loop.reconcile` does what the
:class:`Outcome` says.
"""

from __future__ import annotations

from dataclasses import replace

from opsd.contract.checks import check_snapshot
from opsd.contract.errors import ProjectionError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import FailureCode
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, get
from opsd.loop import escalations, heartbeat, projection, sequence, transport_health
from opsd.loop import health as health_module
from opsd.loop.health import HealthInputs, Judge
from opsd.loop.outcome import Outcome, PassSettings, PassTime, TunedOutcome
from opsd.loop.records import cursor_document, cursor_offset, damage_error, notes, telemetry_row
from opsd.loop.tuning import Tuner, TuningInputs, conclude, tune
from opsd.runtime.liveness import Verdict
from opsd.storage.model import Commit, Document, LoopMemory, RowLog, tail_row
from opsd.transport.base import IngestFailure, Observation

#: What ``evidence`` names as the source of a projection that never was a file (contract 20, weakness 22).
IN_MEMORY_SNAPSHOT = "memory:snapshot"
IN_MEMORY_EVENTS = "memory:events"

_VERDICTS = frozenset(Verdict)

#: What a pass does not replace, and therefore does not move either when it is damaged.
_LEFT = frozenset({Document.DRIFT, Document.ALERT_DISPATCH})


def evaluate(
    memory: LoopMemory,
    observation: Observation,
    settings: PassSettings,
    *,
    trace_id: str,
    time: PassTime,
    judge: Judge = health_module.judge,
    tuner: Tuner | None = tune,
) -> Outcome:
    """Judge one observation against what is remembered; see the module's docstring.

    With ``tuner`` None the tuning stage is left to the caller (:func:`tuned_outcome`).
    """
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
        liveness=_liveness(observation) if settings.judge_liveness and failure is None else {},
        reage_heartbeat=settings.reage_heartbeat,
        spare_finished=settings.spare_finished,
    )
    health = judge(inputs)
    replace_document(Document.HEALTH, health)
    state = _state(projected, latest, health, trace_id)
    if state is not None:
        replace_document(Document.STATE, state)

    context = _escalation_context(settings, memory, trace_id, now)
    raised = _escalations(context, memory, state if failure is None else None, latest, health, failure)
    cursor = observation.cursor if failure is None else None
    if cursor is not None:
        replace_document(Document.CURSOR, cursor_document(settings.repo, settings.loop_id, cursor, now))
    if failure is None:
        # Behind the cursor: events that are read again after a crash must not look like a regression.
        replace_document(Document.SEQUENCE, latest[Document.SEQUENCE])
    replace_document(Document.TRANSPORT_HEALTH, transport)
    rows.append(
        (RowLog.RECONCILE, telemetry_row(settings, memory, latest, observation, failure, health, trace_id, time))
    )
    outcome = Outcome(
        commit=Commit(
            rows=[(RowLog.ESCALATIONS, row) for row in raised] + rows,
            documents=documents,
            set_aside=memory.damaged - (_LEFT | {Document.CURSOR} if failure else _LEFT),
        ),
        document=state if failure is None and state is not None else health,
        health=health,
        state=state,
        failure=failure,
        events_ingested=observation.events.count,
        cursor_offset=cursor_offset(latest.get(Document.CURSOR, {})),
        escalations=raised,
        error=damage_error(damaged, settings),
        notes=notes(memory, inputs),
    )
    return outcome if tuner is None else tuned_outcome(outcome, memory, settings, trace_id, now, tuner).merged()


def tuned_outcome(
    outcome: Outcome, memory: LoopMemory, settings: PassSettings, trace_id: str, now: str, tuner: Tuner
) -> TunedOutcome:
    """The tuning stage behind everything else (contract 20, 4.8 to 4.10)."""
    tuning = settings.tuning
    if tuning is None:
        return TunedOutcome(outcome, Commit())
    applied = settings.thresholds.profile or ""
    error = None
    if Document.DRIFT in memory.damaged:
        error = f"invalid drift state JSON: {settings.locations[Document.DRIFT]}"
    elif applied and applied not in tuning.profiles:
        error = f"unknown applied profile: {applied}"
    if error is not None:
        outcome.error = outcome.error or error
        return TunedOutcome(outcome, Commit())
    own = tuple(tail_row(row) for log, row in outcome.commit.rows if log is RowLog.RECONCILE)
    inputs = TuningInputs(
        repo=settings.repo,
        loop_id=settings.loop_id,
        now=now,
        applied=applied,
        tail=replace(memory.tail, reconcile=memory.tail.reconcile + own),
        previous=memory.get(Document.DRIFT),
        reconcile_file=settings.locations[RowLog.RECONCILE],
        control_file=settings.locations[RowLog.CONTROL],
    )
    context = _escalation_context(settings, memory, trace_id, now)
    return TunedOutcome(outcome, conclude(tuner(inputs, tuning), outcome.state, context))


def _liveness(observation: Observation) -> JsonObject:
    """``runtime.liveness`` as far as it has the form that we give it: a sprite may send anything."""
    found = as_object(get(observation.snapshot, "runtime", "liveness"))
    verdict, reason = found.get("verdict"), found.get("reason")
    if not isinstance(verdict, str) or verdict not in _VERDICTS or not isinstance(reason, str):
        return {}
    numbers = {key: found[key] for key in ("pid", "lastEventAgeSeconds") if type(found.get(key)) is int}
    return {"verdict": verdict, "reason": reason[:64], **numbers}


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


def _escalation_context(
    settings: PassSettings, memory: LoopMemory, trace_id: str, now: str
) -> escalations.EscalationContext:
    return escalations.EscalationContext(
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
        drift_state_file=settings.locations[Document.DRIFT],
        drift_history_file=settings.locations[RowLog.DRIFT],
    )


def _escalations(
    context: escalations.EscalationContext,
    memory: LoopMemory,
    ingested_state: JsonObject | None,
    latest: dict[Document, JsonObject],
    health: JsonObject,
    failure: IngestFailure | None,
) -> list[JsonObject]:
    found: list[JsonObject | None] = []
    if ingested_state is not None:
        found.append(escalations.divergence(context, ingested_state))
        found.append(escalations.ordering_drift(context, latest[Document.SEQUENCE]))
    found.append(escalations.health_change(context, health, memory.get(Document.HEALTH), failure))
    return [row for row in found if row is not None]

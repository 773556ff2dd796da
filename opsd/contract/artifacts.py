"""The manager's own artifacts of one loop (contract 10, 3.2 and 4.5; 20, 4; 60, 2), as TypedDicts.

``NotRequired`` is *omitted*, ``| None`` is *null*: the difference is declared here and nowhere else. Fields that are
ours, beside the contract's, are marked ``additive``.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from opsd.contract.envelopes import CursorPosition, EventEnvelope, Liveness, Source
from opsd.contract.tuning_artifacts import DriftFile, Tuning

Transport = Literal["local", "sprite_service"]
HealthStatusText = Literal["healthy", "degraded", "critical"]


class CursorFile(TypedDict):
    """``cursor.json``: where the next poll starts."""

    schemaVersion: Literal["v1"]
    repoPath: str
    loopId: str
    eventsFile: str
    eventLineOffset: int
    eventLineCount: int
    updatedAt: str
    anchorSha256: NotRequired[str]  # additive: digest of the line at the offset


class ProjectionRun(TypedDict):
    """Run identity."""

    runId: Any
    iteration: int | float


class Transition(TypedDict):
    """How the loop came into its state."""

    previousState: Any
    triggeringSignal: str
    currentState: Any
    confidence: Literal["low", "medium", "high"]


class Projection(TypedDict):
    """What the runtime shows; ``active`` is never false."""

    status: Any
    hasPendingApproval: bool
    completionOk: bool
    gates: Any
    stuck: Any
    active: Any
    lastEventName: Any
    lastEventAt: Any


class DivergenceFlags(TypedDict):
    """Contradictions between what was observed."""

    activeMismatch: bool
    approvalCompletionConflict: bool
    cursorRegression: bool


class Divergence(TypedDict):
    """Whether anything contradicts."""

    any: bool
    flags: DivergenceFlags


class SnapshotEvidence(TypedDict):
    """The snapshot in three words."""

    runStatus: Any
    lastEventName: Any
    hasPendingApproval: bool


class ProjectionEvidence(TypedDict):
    """What the projection was made from."""

    snapshotFile: str
    eventsFile: str | None
    snapshotEnvelope: SnapshotEvidence
    lastEventEnvelope: EventEnvelope | None


class HealthReason(TypedDict):
    """One reason; observed value and threshold as text."""

    code: str
    severity: Literal["degraded", "critical"]
    metric: str
    observed: str
    threshold: str


class HealthMetrics(TypedDict):
    """Lags in seconds."""

    ingestLagSeconds: int | None
    heartbeatLagSeconds: int | None
    transportFailureStreak: int
    lastControlStatus: str | None
    sequenceStatus: str | None
    lifecycleState: str
    heartbeatAgeSeconds: NotRequired[int | None]  # additive: the true age, never frozen


class HealthThresholds(TypedDict):
    """The limits that were applied."""

    profile: str | None
    degradedIngestLagSeconds: int
    criticalIngestLagSeconds: int
    degradedHeartbeatLagSeconds: int
    criticalHeartbeatLagSeconds: int
    degradedTransportFailureStreak: int
    criticalTransportFailureStreak: int


class HealthTransport(TypedDict):
    """How this pass ingested."""

    mode: Transport
    ingestStatus: Literal["success", "failed"]
    failureCode: str | None
    lastFailureCode: str | None


class HealthEvidence(TypedDict):
    """Moments that health rests on, as found."""

    lastEventAt: str | None
    lastHeartbeatAt: str | None
    sequenceUpdatedAt: str | None
    liveness: NotRequired[Liveness]  # additive: where the process of the run counts
    finishedSpared: NotRequired[bool]  # additive: true where finished loops are not stale


class HealthFile(TypedDict):
    """``health.json``."""

    schemaVersion: Literal["v1"]
    updatedAt: str
    traceId: str | None
    status: HealthStatusText
    reasonCodes: list[str]
    reasons: list[HealthReason]
    metrics: HealthMetrics
    thresholds: HealthThresholds
    transport: HealthTransport
    evidence: HealthEvidence


class TransportHealthFile(TypedDict):
    """``telemetry/transport-health.json``."""

    schemaVersion: Literal["v1"]
    updatedAt: str
    traceId: str
    transport: Transport
    lastResult: Literal["success", "failed"]
    failureStreak: int
    lastFailureCode: NotRequired[str]
    lastSuccessAt: NotRequired[str]
    lastFailureAt: NotRequired[str]
    failureCounts: NotRequired[dict[str, int]]  # additive: failures per code, ever
    passId: NotRequired[str]  # additive: identity of the pass, written last


class HeartbeatThresholds(TypedDict):
    """Seconds."""

    degradedHeartbeatLagSeconds: int
    criticalHeartbeatLagSeconds: int


class HeartbeatFile(TypedDict):
    """``heartbeat.json``."""

    schemaVersion: Literal["v1"]
    updatedAt: str
    loopId: str
    traceId: str
    transport: Transport
    lastHeartbeatAt: str
    heartbeatLagSeconds: int
    freshnessStatus: Literal["fresh", "degraded", "critical"]
    reasonCode: NotRequired[Literal["runtime_heartbeat_stale"]]
    thresholds: HeartbeatThresholds
    heartbeat: Any


class SnapshotSequence(TypedDict):
    """Snapshot sequence against the pass before."""

    previous: int | None
    current: int | None
    monotonic: bool
    regressed: bool
    missing: bool


class EventSequence(TypedDict):
    """Event sequence within the batch and against the one before."""

    ingestedCount: int
    previousLast: int | None
    first: int | None
    last: int | None
    monotonicWithinBatch: bool
    monotonicAcrossBatches: bool
    regressed: bool
    missing: bool
    highest: NotRequired[int | None]  # additive: the highest sequence ever ingested


class SequenceTransition(TypedDict):
    """Start and end of drift."""

    previousDriftActive: bool
    transitionedToDrift: bool
    recoveredFromDrift: bool


class SequenceStateFile(TypedDict):
    """``sequence-state.json``."""

    schemaVersion: Literal["v1"]
    updatedAt: str
    loopId: str
    traceId: str
    transport: Transport
    status: Literal["ok", "ordering_drift_detected"]
    reasonCode: NotRequired[Literal["ordering_drift_detected"]]
    driftActive: bool
    violations: list[str]
    snapshot: SnapshotSequence
    events: EventSequence
    transition: SequenceTransition
    replay: NotRequired[bool]  # additive: a deliberate replay, not a regression


class TraceLink(TypedDict):
    """The pass that wrote the state."""

    reconcileTraceId: str


class StateFile(TypedDict):
    """``state.json``: the bare projection, and after a reconcile its health, trace and sequence."""

    schemaVersion: Literal["v1"]
    generatedAt: str
    source: Source
    run: ProjectionRun
    transition: Transition
    projection: Projection
    cursor: CursorPosition
    divergence: Divergence
    evidence: ProjectionEvidence
    health: NotRequired[HealthFile]
    trace: NotRequired[TraceLink]
    sequence: NotRequired[SequenceStateFile]
    drift: NotRequired[DriftFile]
    tuning: NotRequired[Tuning]


class ReconcileRow(TypedDict):
    """A row of ``telemetry/reconcile.jsonl``."""

    timestamp: str
    startedAt: str
    loopId: str
    traceId: str
    transport: Transport
    status: Literal["success", "failed"]
    failureCode: NotRequired[str]
    failureMessage: NotRequired[str]
    cursorOffsetBefore: int
    cursorOffsetAfter: int
    eventsIngested: int
    maxEvents: int
    fromStart: bool
    retryAttempts: int
    retryBackoffSeconds: int | float
    thresholdProfile: str
    durationSeconds: int
    transportFailureStreak: int
    sequenceStatus: str
    sequenceReasonCode: NotRequired[str]
    healthStatus: HealthStatusText
    healthReasonCodes: list[str]
    skippedLine: NotRequired[int]  # additive: the undecodable line an operator stepped over


class EscalationRow(TypedDict):
    """What every row of ``escalations.jsonl`` has; each category adds its own fields."""

    timestamp: str
    loopId: str
    traceId: str
    category: str
    transport: Transport
    escalationId: NotRequired[str]  # additive: equal on a repeat after a crash

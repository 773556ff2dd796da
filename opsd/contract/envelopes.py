"""The two envelopes of contract V0: ``loop_run_snapshot`` and ``loop_run_event`` (contract 10, parts 3 and 6).

TypedDicts, not model instances: the hot path builds plain dicts that the type checker holds against these, at no
cost at run time, and ``schema/`` is generated from the same definitions (:mod:`opsd.contract.schema`). Modules
import them for type checking only.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class Source(TypedDict):
    """Where an envelope comes from."""

    repoPath: str
    loopId: str


class Sequence(TypedDict):
    """Position of an envelope: the number of the journal line."""

    source: str
    value: int


class ArtifactRef(TypedDict):
    """One runtime file as it was read."""

    path: str
    exists: bool
    sizeBytes: int
    lineCount: int
    sha256: str | None
    mtimeEpoch: int | None


class CursorPosition(TypedDict):
    """Line offset reached and lines available."""

    eventLineOffset: int
    eventLineCount: int


class SnapshotRun(TypedDict):
    """The run as the latest summary entry, event and state tell it."""

    runId: str
    iteration: int | float
    status: str
    summary: dict[str, Any] | None


class Liveness(TypedDict):
    """Whether the process of the run is still there, judged inside the VM; the age of the last event in seconds."""

    verdict: Literal["alive", "dead", "unknown"]
    reason: str
    pid: Any
    lastEventAgeSeconds: int | None


class SnapshotRuntime(TypedDict):
    """Parsed runtime files, null where absent."""

    superloopState: Any
    activeRun: Any
    approval: Any
    heartbeat: Any
    liveness: NotRequired[Liveness]  # additive: is the run's process still there


class SnapshotArtifacts(TypedDict):
    """References of the six runtime files."""

    events: ArtifactRef
    runSummary: ArtifactRef
    state: ArtifactRef
    activeRun: ArtifactRef
    approval: ArtifactRef
    heartbeat: ArtifactRef


class SnapshotHealth(TypedDict):
    """Signals that health and the projection read."""

    eventCount: int
    lastEventAt: str | None
    lastEventName: str | None
    lastSummaryAt: str | None
    hasPendingApproval: bool
    gates: Any
    stuck: Any


class SnapshotEnvelope(TypedDict):
    """Point-in-time projection of one loop."""

    schemaVersion: Literal["v1"]
    envelopeType: Literal["loop_run_snapshot"]
    emittedAt: str
    traceId: str | None
    source: Source
    run: SnapshotRun
    runtime: SnapshotRuntime
    artifacts: SnapshotArtifacts
    sequence: Sequence
    cursor: CursorPosition
    health: SnapshotHealth


class EventRun(TypedDict):
    """The run that an event line names."""

    runId: str
    iteration: int | float


class Event(TypedDict):
    """One decoded journal line."""

    timestamp: str
    name: str
    role: str | None
    status: str | None
    message: str | None
    payload: Any
    raw: dict[str, Any]


class EventEnvelope(TypedDict):
    """One journal line behind a cursor."""

    schemaVersion: Literal["v1"]
    envelopeType: Literal["loop_run_event"]
    emittedAt: str
    traceId: str | None
    source: Source
    sequence: Sequence
    cursor: CursorPosition
    run: EventRun
    event: Event

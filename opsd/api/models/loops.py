"""What requests about one loop, and for the list of all, may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsd.api.models.base import (
    Body,
    Limit,
    Line,
    LineNumber,
    LookInterval,
    LookTime,
    LoopIdText,
    Moment,
    Number,
    Query,
    Text,
    Window,
)

#: What is reported as it is, and may travel in a header.
TraceId = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
Level = Literal["low", "medium", "high"]
#: The words of :class:`opsd.contract.reasons.RunStatus`.
State = Literal["unknown", "running", "awaiting_approval", "complete", "stopped", "failed", "idle"]


class LoopsQuery(Query):
    """Which loops, and which page of them."""

    state: State | None = None
    """Only loops in this lifecycle state."""
    health: Literal["healthy", "degraded", "critical"] | None = None
    """Only loops of this health."""
    reason: Line | None = None
    """Only loops whose health has this reason code."""
    limit: Number = Field(default=100, ge=1, le=1000)
    """Loops on a page."""
    cursor: LoopIdText | None = None
    """`nextCursor` of the page before; a loop that is gone since does not matter."""


class RowsQuery(Query):
    """The newest rows of a log."""

    limit: Number = Field(default=100, ge=1, le=1000)
    """Rows at most, newest last."""


class SnapshotQuery(Query):
    """A loop's snapshot."""

    runId: Text | None = None
    """Report this run id instead of the inferred one."""
    traceId: TraceId | None = None
    """`traceId` of the envelope."""


class EventsQuery(Query):
    """Events behind a cursor."""

    cursor: Number = Field(default=0, ge=0, le=10**15)
    """Line offset to read behind."""
    maxEvents: Number = Field(default=100, ge=1, le=1000)
    """Events at most; where their lines are long there are fewer on a page."""
    anchor: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """`cursor.anchorSha256` of the page before; a journal that holds another line there is refused. Local loops."""
    skipLine: LineNumber | None = None
    """Step over this one line, which cannot be decoded."""
    traceId: TraceId | None = None
    """`traceId` of the envelopes."""


class WindowQuery(Query):
    """A telemetry summary."""

    window: Number = Field(default=200, ge=1, le=10_000)
    """Rows of each log that are looked at."""


class StatusQuery(Query):
    """A loop's status."""

    summaryWindow: Window | None = None
    """Rows of telemetry that are summarised; default `drift.summary_window`."""


class HealthQuery(Query):
    """A loop's health as of now. What is not said is as its last pass had it, or as the daemon's settings have it."""

    now: Moment | None = None
    """Judge at this moment."""
    ingestStatus: Literal["success", "failed"] | None = None
    """As if the last ingest had ended like this."""
    failureCode: Text | None = None
    """As if it had failed for this reason."""
    thresholdProfile: Text | None = None
    """Label of the limits."""
    degradedIngestLagSeconds: Limit | None = None
    """A limit of health."""
    criticalIngestLagSeconds: Limit | None = None
    """A limit of health."""
    degradedHeartbeatLagSeconds: Limit | None = None
    """A limit of health."""
    criticalHeartbeatLagSeconds: Limit | None = None
    """A limit of health."""
    degradedTransportFailureStreak: Limit | None = None
    """A limit of health."""
    criticalTransportFailureStreak: Limit | None = None
    """A limit of health."""
    traceId: TraceId | None = None
    """`traceId` of the result."""


class ConfirmationQuery(Query):
    """Does the runtime show an intent's effect?"""

    intent: Literal["cancel", "approve", "reject"]
    """Whose effect."""
    timeoutSeconds: Number = Field(default=30, ge=0, le=600)
    """How long it is looked for; 0 looks once."""
    intervalSeconds: Number = Field(default=2, ge=0, le=60)
    """Between two looks."""


class Reconcile(Body):
    """A pass now."""

    wait: bool = False
    """Answer when the pass has ended, with what it concluded; else at once."""
    fromStart: bool = False
    """Begin at the journal's first line, whatever the cursor says."""
    maxEvents: int = Field(default=0, ge=0, le=1_000_000_000)
    """Ingest at most so many, if the settings permit as many; 0 is what they permit. The daemon's next pass goes on."""
    skipLine: int | None = Field(default=None, ge=1, le=10**15)
    """Step over this one line, which cannot be decoded; telemetry records it."""


class ControlOrder(Body):
    """An intent, and how its effect is looked for."""

    intent: Literal["cancel", "approve", "reject"]
    """What is wanted of the loop."""
    note: Line = ""
    """Why."""
    confirm: bool = True
    """Look for the effect."""
    timeoutSeconds: LookTime = 30
    """How long the effect is looked for."""
    intervalSeconds: LookInterval = 2
    """Between two looks."""
    onlyIfActive: bool = False
    """Cancel nothing while another loop of the repo is active; loops of this host only."""
    commandTimeoutSeconds: int = Field(default=60, ge=1, le=600)
    """When a runtime command of this host is stopped."""
    retryAttempts: int | None = Field(default=None, ge=1, le=20)
    """Requests to the sprite service; default what the registry says."""
    retryBackoffSeconds: int | None = Field(default=None, ge=0, le=60)
    """Seconds after attempt k are k times this; default what the registry says."""


class ProfileDrift(Body):
    """Does the applied threshold profile still suit? Every field is a flag of the command (:mod:`opsd.api.flags`)."""

    appliedProfile: Line = ""
    """The profile in force."""
    recommendedProfile: Line = ""
    """The profile that is recommended."""
    recommendationConfidence: Level = "low"
    """How sure the recommendation is."""
    minConfidence: Level = "medium"
    """Least confidence that counts."""
    requiredStreak: int = Field(default=3, ge=1, le=1_000_000)
    """Evaluations in a row that must recommend another profile."""
    summaryWindow: int = Field(default=200, ge=1, le=1_000_000)
    """Recorded only."""
    rationale: Line = ""
    """Recorded only."""

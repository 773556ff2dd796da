"""The documents of tuning: profile drift and telemetry summary (contract 40, sections 4 and 5)."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

Confidence = Literal["low", "medium", "high"]


class DriftTransition(TypedDict):
    """What changed since the evaluation before."""

    toActive: bool
    toResolved: bool


class DriftFile(TypedDict):
    """``profile-drift.json`` (contract 40, 5.3)."""

    schemaVersion: Literal["v1"]
    updatedAt: str
    loopId: str
    status: Literal["no_recommendation", "aligned", "insufficient_confidence", "drift_active", "mismatch_pending"]
    reasonCode: NotRequired[Literal["profile_drift_detected"]]
    appliedProfile: NotRequired[str]
    recommendedProfile: NotRequired[str]
    recommendationConfidence: Confidence
    minimumConfidence: Confidence
    recommendationRank: int
    minimumRank: int
    requiredStreak: int
    summaryWindow: int
    mismatch: bool
    confidenceOk: bool
    eligibleMismatch: bool
    mismatchStreak: int
    driftActive: bool
    transitioned: DriftTransition
    rationale: NotRequired[str]
    action: NotRequired[str]
    summaryError: NotRequired[str]  # additive: why there is no summary; streak and drift are held then
    traceId: NotRequired[str]  # only inside state.json


class ReasonCount(TypedDict):
    """How often a reason code was seen."""

    code: str
    count: int


class ObservedHealth(TypedDict):
    """How healthy the passes in the window were."""

    degradedCount: int
    criticalCount: int
    degradedRate: int | float
    criticalRate: int | float
    reasonCodeFrequency: list[ReasonCount]


class ObservedControl(TypedDict):
    """How control fared in the window."""

    ambiguousCount: int


class Durations(TypedDict):
    """Quantiles in seconds, null without any."""

    p50: int | float | None
    p95: int | float | None
    max: int | float | None


class Observed(TypedDict):
    """The figures of a telemetry summary."""

    reconcileAttempts: int
    reconcileSuccessCount: int
    reconcileFailedCount: int
    health: ObservedHealth
    control: ObservedControl
    durationSeconds: Durations
    firstTimestamp: NotRequired[str | None]  # additive: the span that the rows cover
    lastTimestamp: NotRequired[str | None]


class SummarySource(TypedDict):
    """Where a summary was taken from."""

    repoPath: str
    loopId: str
    reconcileTelemetryFile: str
    controlTelemetryFile: str
    window: int


class TelemetrySummary(TypedDict):
    """What ``telemetry-summary`` prints (contract 40, 4.6)."""

    schemaVersion: Literal["v1"]
    generatedAt: str
    source: SummarySource
    observed: Observed
    recommendedProfile: str
    confidence: Confidence
    rationale: str


class TuningSummary(TypedDict):
    """The summary inside the state."""

    observed: Observed
    source: SummarySource


class Tuning(TypedDict):
    """``tuning`` of the state (contract 20, 4.9)."""

    appliedProfile: str | None
    recommendedProfile: str | None
    confidence: str | None
    rationale: str | None
    summaryWindow: int
    telemetrySummary: TuningSummary

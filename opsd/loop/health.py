"""Reason-coded health: a pure function of the loop's documents and the thresholds (contract 20, section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import (
    FINISHED_STATES,
    FailureCode,
    HealthStatus,
    ReasonCode,
    RunStatus,
    Severity,
    TransportKind,
)
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import compact_text, digits, first_present, get, optional_text
from opsd.loop.thresholds import Thresholds

Reason: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class HealthInputs:
    """Everything that health is judged by.

    The four documents are empty when there are none; ``last_intent`` is the last complete row of the intents log.
    ``reage_heartbeat`` judges the heartbeat's true age instead of the lag stored when it was observed;
    ``spare_finished`` takes finished loops out of ``ingest_stale``; ``liveness`` is the snapshot's, and empty where it
    shall not count. All of them are off where the contract is silent.
    """

    now: str
    thresholds: Thresholds
    transport: TransportKind = TransportKind.LOCAL
    trace_id: str | None = None
    ingest_failed: bool = False
    failure_code: str | None = None
    state: JsonObject = field(default_factory=dict)
    heartbeat: JsonObject = field(default_factory=dict)
    sequence: JsonObject = field(default_factory=dict)
    transport_health: JsonObject = field(default_factory=dict)
    last_intent: JsonObject = field(default_factory=dict)
    liveness: JsonObject = field(default_factory=dict)
    reage_heartbeat: bool = False
    spare_finished: bool = False


Judge: TypeAlias = Callable[[HealthInputs], JsonObject]


def judge(inputs: HealthInputs) -> JsonObject:
    """The health document."""
    lags = _Lags(inputs)
    reasons = _sorted_unique(_reasons(inputs, lags))
    thresholds = inputs.thresholds
    severities = {reason["severity"] for reason in reasons}
    status = (
        HealthStatus.CRITICAL
        if Severity.CRITICAL in severities
        else HealthStatus.DEGRADED
        if severities
        else HealthStatus.HEALTHY
    )
    return {
        "schemaVersion": "v1",
        "updatedAt": inputs.now,
        "traceId": inputs.trace_id or None,
        "status": status.value,
        "reasonCodes": sorted({reason["code"] for reason in reasons}),
        "reasons": reasons,
        "metrics": {
            "ingestLagSeconds": lags.ingest_s,
            "heartbeatLagSeconds": lags.heartbeat_s,
            "transportFailureStreak": lags.streak,
            "lastControlStatus": lags.intent_status,
            "sequenceStatus": lags.sequence_status,
            "lifecycleState": lags.lifecycle,
            "heartbeatAgeSeconds": lags.heartbeat_age_s,
        },
        "thresholds": {
            "profile": thresholds.profile or None,
            "degradedIngestLagSeconds": thresholds.degraded_ingest_lag_s,
            "criticalIngestLagSeconds": thresholds.critical_ingest_lag_s,
            "degradedHeartbeatLagSeconds": thresholds.degraded_heartbeat_lag_s,
            "criticalHeartbeatLagSeconds": thresholds.critical_heartbeat_lag_s,
            "degradedTransportFailureStreak": thresholds.degraded_transport_failure_streak,
            "criticalTransportFailureStreak": thresholds.critical_transport_failure_streak,
        },
        "transport": {
            "mode": inputs.transport.value,
            "ingestStatus": "failed" if inputs.ingest_failed else "success",
            "failureCode": inputs.failure_code or None,
            "lastFailureCode": optional_text(inputs.transport_health.get("lastFailureCode")),
        },
        "evidence": {
            "lastEventAt": lags.last_event_at,
            "lastHeartbeatAt": lags.last_heartbeat_at,
            "sequenceUpdatedAt": optional_text(inputs.sequence.get("updatedAt")),
            **({"liveness": inputs.liveness} if inputs.liveness else {}),
            **({"finishedSpared": True} if inputs.spare_finished else {}),
        },
    }


class _Lags:
    """Values derived from the documents (contract 20, 5.2); lags and ages in seconds, None when unknown."""

    def __init__(self, inputs: HealthInputs) -> None:
        now = parse_epoch(inputs.now) or 0
        state, heartbeat = inputs.state, inputs.heartbeat
        self.last_event_at = optional_text(get(state, "projection", "lastEventAt"))
        self.ingest_s = _lag(now, self.last_event_at)
        self.last_heartbeat_at = optional_text(
            first_present(heartbeat.get("lastHeartbeatAt"), get(heartbeat, "heartbeat", "timestamp"))
        )
        self.heartbeat_age_s = _lag(now, self.last_heartbeat_at)
        stored = digits(heartbeat.get("heartbeatLagSeconds"))
        # The stored lag wins and is not re-aged (contract 20, 5.2); the true age stands beside it.
        self.heartbeat_s = self.heartbeat_age_s if stored is None or inputs.reage_heartbeat else stored
        self.streak = digits(first_present(inputs.transport_health.get("failureStreak"), 0)) or 0
        self.intent_status = optional_text(inputs.last_intent.get("status"))
        self.lifecycle = compact_text(
            first_present(get(state, "transition", "currentState"), get(state, "projection", "status"), "unknown")
        )
        self.sequence_drift = inputs.sequence.get("driftActive") in (True, "true")
        drift_text = ReasonCode.ORDERING_DRIFT_DETECTED.value if self.sequence_drift else None
        self.sequence_status = optional_text(inputs.sequence.get("status")) or drift_text


def _lag(now: int, at: str | None) -> int | None:
    moment = parse_epoch(at)
    return None if moment is None else max(0, now - moment)


def _reasons(inputs: HealthInputs, lags: _Lags) -> list[Reason]:
    """All reasons in evaluation order (contract 20, 5.3)."""
    thresholds = inputs.thresholds
    found: list[Reason | None] = []
    if get(inputs.state, "divergence", "any") is True:
        found.append(_reason(ReasonCode.DIVERGENCE_DETECTED, Severity.DEGRADED, "divergence.any", "true", "false"))
    if lags.intent_status in ("ambiguous", "failed_command"):
        found.append(
            _reason(
                f"control_{lags.intent_status}", Severity.DEGRADED, "control.status", lags.intent_status, "confirmed"
            )
        )
    if not (inputs.spare_finished and lags.lifecycle in FINISHED_STATES):
        found.append(
            _limit(
                ReasonCode.INGEST_STALE,
                "ingestLagSeconds",
                lags.ingest_s,
                thresholds.degraded_ingest_lag_s,
                thresholds.critical_ingest_lag_s,
            )
        )
    found.append(
        _limit(
            ReasonCode.RUNTIME_HEARTBEAT_STALE,
            "heartbeatLagSeconds",
            lags.heartbeat_s,
            thresholds.degraded_heartbeat_lag_s,
            thresholds.critical_heartbeat_lag_s,
        )
    )
    found.append(
        _limit(
            ReasonCode.TRANSPORT_UNREACHABLE,
            "transportFailureStreak",
            lags.streak,
            thresholds.degraded_transport_failure_streak,
            thresholds.critical_transport_failure_streak,
        )
    )
    if inputs.liveness.get("verdict") == "dead" and lags.lifecycle == RunStatus.RUNNING:
        found.append(_reason(ReasonCode.RUN_PROCESS_MISSING, Severity.CRITICAL, "runtime.liveness", "dead", "alive"))
    if lags.sequence_drift:
        code = optional_text(inputs.sequence.get("reasonCode")) or ReasonCode.ORDERING_DRIFT_DETECTED
        found.append(_reason(code, Severity.DEGRADED, "sequence.status", lags.sequence_status or "", "ok"))
    if inputs.ingest_failed:
        code = failure_reason(inputs.failure_code)
        found.append(_reason(code, Severity.DEGRADED, "ingestStatus", "failed", "success"))
    return [reason for reason in found if reason is not None]


_FAILURE_REASONS: dict[str, str] = {
    FailureCode.SNAPSHOT_UNAVAILABLE: ReasonCode.TRANSPORT_UNREACHABLE,
    FailureCode.EVENTS_UNAVAILABLE: ReasonCode.TRANSPORT_UNREACHABLE,
    FailureCode.SERVICE_REQUEST_FAILED: ReasonCode.TRANSPORT_UNREACHABLE,
    FailureCode.SERVICE_RESPONSE_INVALID: ReasonCode.INVALID_TRANSPORT_PAYLOAD,
    FailureCode.PROJECTION_FAILED: ReasonCode.PROJECTION_FAILED,
}


def failure_reason(failure_code: str | None) -> str:
    """The health reason of a failure code; unknown codes stand for themselves (contract 20, 5.3 row 7)."""
    if not failure_code:
        return ReasonCode.RECONCILE_FAILED
    return _FAILURE_REASONS.get(failure_code, failure_code)


def _limit(code: str, metric: str, value: int | None, degraded: int, critical: int) -> Reason | None:
    if value is not None and value >= critical:
        return _reason(code, Severity.CRITICAL, metric, str(value), str(critical))
    if value is not None and value >= degraded:
        return _reason(code, Severity.DEGRADED, metric, str(value), str(degraded))
    return None


def _reason(code: str, severity: Severity, metric: str, observed: str, threshold: str) -> Reason:
    return {
        "code": str(code),
        "severity": severity.value,
        "metric": metric,
        "observed": observed,
        "threshold": threshold,
    }


def _sorted_unique(reasons: list[Reason]) -> list[Reason]:
    """Sorted by ``code:severity``; of equal ones the first in evaluation order stays."""
    first: dict[str, Reason] = {}
    for reason in reasons:
        first.setdefault(f"{reason['code']}:{reason['severity']}", reason)
    return [first[key] for key in sorted(first)]

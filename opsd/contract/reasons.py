"""The closed sets of words that the contract uses: states, codes, categories, kinds."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SCHEMA_VERSION: Final = "v1"
SNAPSHOT_TYPE: Final = "loop_run_snapshot"
EVENT_TYPE: Final = "loop_run_event"
SEQUENCE_SOURCE: Final = "cursor_event_line_offset"


class RunStatus(StrEnum):
    """Lifecycle state of a loop (contract 10, part 5)."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    IDLE = "idle"


#: States in which nothing is expected to happen until somebody acts.
FINISHED_STATES = frozenset({RunStatus.COMPLETE, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.IDLE})


class HealthStatus(StrEnum):
    """Manager health of a loop (contract 20, 5)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class ReasonCode(StrEnum):
    """Health reasons with a fixed name (contract 20, 5.3); replaced evaluators may add others as text."""

    DIVERGENCE_DETECTED = "divergence_detected"
    CONTROL_AMBIGUOUS = "control_ambiguous"
    CONTROL_FAILED_COMMAND = "control_failed_command"
    INGEST_STALE = "ingest_stale"
    RUNTIME_HEARTBEAT_STALE = "runtime_heartbeat_stale"
    TRANSPORT_UNREACHABLE = "transport_unreachable"
    ORDERING_DRIFT_DETECTED = "ordering_drift_detected"
    INVALID_TRANSPORT_PAYLOAD = "invalid_transport_payload"
    PROJECTION_FAILED = "projection_failed"
    RECONCILE_FAILED = "reconcile_failed"
    PROFILE_DRIFT_DETECTED = "profile_drift_detected"
    RUN_PROCESS_MISSING = "run_process_missing"
    MISSING_HEARTBEAT_TIMESTAMP = "missing_heartbeat_timestamp"
    INVALID_HEARTBEAT_TIMESTAMP = "invalid_heartbeat_timestamp"


class FailureCode(StrEnum):
    """Why an ingest failed (contract 20, 3)."""

    SNAPSHOT_UNAVAILABLE = "snapshot_unavailable"
    EVENTS_UNAVAILABLE = "events_unavailable"
    SERVICE_REQUEST_FAILED = "service_request_failed"
    SERVICE_RESPONSE_INVALID = "service_response_invalid"
    PROJECTION_FAILED = "projection_failed"


class SequenceViolation(StrEnum):
    """What can be wrong with the order of envelopes (contract 20, 4.3)."""

    SNAPSHOT_MISSING = "snapshot_sequence_missing"
    SNAPSHOT_REGRESSION = "snapshot_sequence_regression"
    EVENT_MISSING = "event_sequence_missing"
    EVENT_NON_MONOTONIC = "event_sequence_non_monotonic"
    EVENT_REGRESSION = "event_sequence_regression"


class EscalationCategory(StrEnum):
    """Categories of rows in ``escalations.jsonl`` (contract 20, 4.6)."""

    DIVERGENCE_DETECTED = "divergence_detected"
    ORDERING_DRIFT_DETECTED = "ordering_drift_detected"
    HEALTH_DEGRADED = "health_degraded"
    HEALTH_CRITICAL = "health_critical"
    PROFILE_DRIFT_DETECTED = "profile_drift_detected"


class Severity(StrEnum):
    """Severity of one health reason."""

    DEGRADED = "degraded"
    CRITICAL = "critical"


class TransportKind(StrEnum):
    """How a loop is reached."""

    LOCAL = "local"
    SPRITE_SERVICE = "sprite_service"

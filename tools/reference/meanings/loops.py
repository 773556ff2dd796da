"""Codes of the passes over a loop, its health and its escalations."""

from __future__ import annotations

from opsd.contract.reasons import EscalationCategory, FailureCode, ReasonCode, SequenceViolation
from tools.reference.meanings.codes import Codes

LOOPS = (
    Codes(
        "Health of a loop",
        "`reasonCodes` and `reasons` of `health.json`, `opsd status`, `opsd_loop_health_reason{reason}`.",
        ReasonCode,
        {
            "divergence_detected": "the run's own files contradict each other: activity without a run, completion "
            "beside a pending approval, or a cursor that went back",
            "control_ambiguous": "the last cancel, approve or reject was executed, and no effect was seen in time",
            "control_failed_command": "the last cancel, approve or reject failed",
            "ingest_stale": "no new event for longer than the threshold; expected of a run that waits for an approval",
            "runtime_heartbeat_stale": "the runtime's heartbeat is older than the threshold",
            "transport_unreachable": "passes failed in a row, or the newest one could not read snapshot or events",
            "ordering_drift_detected": "sequence numbers are missing or went back: the journal was replaced or cut",
            "invalid_transport_payload": "the sprite service answered something that is no answer of the contract",
            "projection_failed": "snapshot or events are there and cannot be read as the contract has them",
            "reconcile_failed": "a pass failed, and said no code of its own",
            "profile_drift_detected": "the telemetry has recommended another threshold profile for a while",
            "run_process_missing": "the files say that a run is active, and its process is gone",
            "missing_heartbeat_timestamp": "the heartbeat has no time",
            "invalid_heartbeat_timestamp": "the heartbeat's time cannot be read",
        },
    ),
    Codes(
        "Why a pass failed",
        "`failureCode` of a pass, `opsd_reconcile_failures_total{code}`.",
        FailureCode,
        {
            "snapshot_unavailable": "the loop's files cannot be read",
            "events_unavailable": "the loop's journal cannot be read behind the cursor",
            "service_request_failed": "the sprite service did not answer, or refused",
            "service_response_invalid": "the sprite service answered something else than an envelope",
            "projection_failed": "an envelope that the projection refuses",
        },
    ),
    Codes(
        "Order of envelopes",
        "`violations` of `sequence-state.json` and `telemetry/sequence.jsonl`.",
        SequenceViolation,
        {
            "snapshot_sequence_missing": "a snapshot without a sequence number",
            "snapshot_sequence_regression": "a snapshot's number is below the last one",
            "event_sequence_missing": "an event without a sequence number",
            "event_sequence_non_monotonic": "numbers within one pass do not rise",
            "event_sequence_regression": "an event's number is not above the last one of the pass before",
        },
    ),
    Codes(
        "Escalations",
        "`category` of `escalations.jsonl`, what routes of alerts name, `opsd_loop_escalations_total{category}`.",
        EscalationCategory,
        {
            "divergence_detected": "the run's own files contradict each other; told by every pass while they do",
            "ordering_drift_detected": "the order of envelopes broke",
            "health_degraded": "the loop became degraded, or is so for other reasons than before",
            "health_critical": "the loop became critical, or is so for other reasons than before",
            "profile_drift_detected": "the threshold profile no longer suits",
        },
    ),
)

"""What the reason codes about one loop mean; backticks are Markdown of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Health of a loop.
HEALTH: Final[Mapping[str, str]] = {
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
}

#: Why a pass failed.
FAILED_PASS: Final[Mapping[str, str]] = {
    "snapshot_unavailable": "the loop's files cannot be read",
    "events_unavailable": "the loop's journal cannot be read behind the cursor",
    "service_request_failed": "the sprite service did not answer, or refused",
    "service_response_invalid": "the sprite service answered something else than an envelope",
    "projection_failed": "an envelope that the projection refuses",
}

#: Order of envelopes.
ORDER: Final[Mapping[str, str]] = {
    "snapshot_sequence_missing": "a snapshot without a sequence number",
    "snapshot_sequence_regression": "a snapshot's number is below the last one",
    "event_sequence_missing": "an event without a sequence number",
    "event_sequence_non_monotonic": "numbers within one pass do not rise",
    "event_sequence_regression": "an event's number is not above the last one of the pass before",
}

#: Escalations.
ESCALATIONS: Final[Mapping[str, str]] = {
    "divergence_detected": "the run's own files contradict each other; told by every pass while they do",
    "ordering_drift_detected": "the order of envelopes broke",
    "health_degraded": "the loop became degraded, or is so for other reasons than before",
    "health_critical": "the loop became critical, or is so for other reasons than before",
    "profile_drift_detected": "the threshold profile no longer suits",
}

#: A loop in the fleet's pass.
NOT_LOOKED_AT: Final[Mapping[str, str]] = {
    "loop_disabled": "its registry entry says `enabled: false`",
    "missing_service_base_url": "its entry names no address",
    "missing_service_token_env": "the variable of its token is unset",
    "missing_runtime_artifacts": "there is no such loop in the repo",
}

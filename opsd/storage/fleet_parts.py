"""What the manager keeps of a fleet, by name: documents, logs, reports (contract 00, *Manager Persistence Paths*)."""

from __future__ import annotations

from enum import StrEnum


class FleetDocument(StrEnum):
    """JSON documents that are replaced as a whole; the value is the file's name."""

    REGISTRY = "registry.v1.json"
    STATE = "state.json"
    POLICY = "policy-state.json"
    HANDOFF = "handoff-state.json"
    PROMOTION = "promotion-state.json"
    PROMOTION_CI_RESULT = "promotion-ci-result.json"
    DRILLS = "drills/promotion.v1.json"
    SILENCES = "alert-silences.v1.json"
    SINK_HEALTH = "alert-sink-health.json"
    PROMOTION_APPLY = "promotion-apply-state.json"
    PROMOTION_CONTROLLER = "promotion-controller-state.json"
    BRIDGE_QUEUE = "horizon-bridge-queue.json"
    BRIDGE_STATE = "horizon-bridge-state.json"


class FleetLog(StrEnum):
    """JSONL files that rows are appended to; the value is the file's name."""

    RECONCILE = "telemetry/reconcile.jsonl"
    POLICY = "telemetry/policy.jsonl"
    POLICY_HISTORY = "telemetry/policy-history.jsonl"
    POLICY_CHANGES = "telemetry/policy-changes.jsonl"
    GOVERNANCE = "telemetry/policy-governance.jsonl"
    HANDOFF = "telemetry/handoff.jsonl"
    HANDOFF_ATTEMPTS = "handoff-attempts.jsonl"
    PROMOTION = "telemetry/promotion.jsonl"
    PROMOTION_APPLY = "telemetry/promotion-apply.jsonl"
    PROMOTION_CONTROLLER = "telemetry/promotion-controller.jsonl"
    BRIDGE = "telemetry/horizon-bridge.jsonl"
    OPERATIONS = "telemetry/operations.jsonl"


class FleetReport(StrEnum):
    """Texts for people that are replaced as a whole; the value is the file's name."""

    PROMOTION_CI_SUMMARY = "promotion-ci-summary.md"


FleetPart = FleetDocument | FleetLog | FleetReport

#: Logs that are written through :meth:`FleetStore.append_audited`.
AUDITED = (FleetLog.GOVERNANCE, FleetLog.POLICY_CHANGES, FleetLog.HANDOFF_ATTEMPTS, FleetLog.OPERATIONS)

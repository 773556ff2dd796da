"""What the reason codes of promotion and the Horizon bridge mean; backticks are Markdown of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opsd.promotion.controller.words import Stage
from opsd.promotion.words import Drill, DrillTrouble

#: Gates of promotion.
GATES: Final[Mapping[str, str]] = {
    "promotion_policy_mode_not_guarded_auto": "the registry's mode is advisory",
    "promotion_governance_posture_not_active": "governance is not in order",
    "promotion_governance_blocks_autonomous": "governance holds autonomy back; so does a review within a week",
    "promotion_governance_authority_missing": "actor, approval, rationale or deadline is missing",
    "promotion_governance_review_deadline_missing": "there is no review deadline",
    "promotion_governance_review_expired": "the review deadline has passed",
    "promotion_handoff_telemetry_missing": "nothing was ever dispatched",
    "promotion_handoff_telemetry_invalid": "what was dispatched cannot be read",
    "promotion_autonomous_sample_insufficient": "too few autonomous executions to judge by",
    "promotion_autonomous_attempts_zero": "no attempts among them",
    "promotion_autonomous_ambiguity_rate_exceeded": "too many ended ambiguous",
    "promotion_autonomous_failure_rate_exceeded": "too many failed",
    "promotion_manual_backlog_unavailable": "how much waits for a person is not known",
    "promotion_manual_backlog_exceeded": "too much waits for a person",
    "promotion_autopause_active": "the rollout has paused itself, or nobody can tell",
    "promotion_suppression_paths_missing": "the status does not tell what each safety gate did",
    "promotion_drill_state_missing": "no drill was ever recorded",
    "promotion_drill_state_invalid": "the record of drills cannot be read",
    "promotion_ci_missing_evidence": "the pipeline skipped, since evidence is missing",
}

_DRILL_TROUBLES: Final[Mapping[DrillTrouble, str]] = {
    DrillTrouble.MISSING: "it was never recorded",
    DrillTrouble.NOT_PASSED: "it did not hold when it was last carried out",
    DrillTrouble.TIMESTAMP_INVALID: "nobody can tell when it was carried out",
    DrillTrouble.STALE: "it was carried out too long ago",
}

#: Single drills, which the gates name by their ids.
DRILLS: Final[Mapping[str, str]] = {
    trouble.of(drill): f"the drill {drill.replace('_', ' ')}: {words}"
    for drill in Drill
    for trouble, words in _DRILL_TROUBLES.items()
}

#: The promotion controller.
CONTROLLER: Final[Mapping[str, str]] = {
    "controller_decision_timestamp_invalid": "the decision has no time that can be read",
    "controller_decision_stale": "the decision is too old",
    "controller_budget_apply_count_exceeded": "the window's number of changes is used up",
    "controller_budget_expand_step_exceeded": "the step is larger than one may be",
    "controller_budget_cooldown_active": "the last change was a short while ago",
    "controller_budget_freeze_window_active": "a freeze window is open",
    "controller_decision_not_promote": "the gates hold",
    "controller_verification_command_failed": "the evaluation after the change could not be made",
    "controller_verification_result_missing": "the evaluation after the change left no result",
    "controller_verification_result_invalid": "the evaluation after the change cannot be read",
    "controller_verification_failed": "the gates hold after the change",
    "controller_rollback_triggered": "the change was taken back",
    "controller_manual_pause_active": "the rollout is paused, and `--hold-while-paused` was asked for",
    "controller_manual_pause_unknown": "nobody can tell whether the rollout is paused",
}

#: Steps of the controller whose command failed.
CONTROLLER_STEPS: Final[Mapping[str, str]] = {
    Stage.EVALUATE.reason: "the gates could not be asked",
    Stage.APPLY.reason: "the change could not be made",
    Stage.ROLLBACK.reason: "the change could not be taken back",
}

#: Envelopes that the Horizon bridge refuses.
REJECTED_ENVELOPES: Final[Mapping[str, str]] = {
    "contract_invalid_json": "no JSON object, or a file that is too large",
    "contract_required_field_missing": "a field that has to be there is missing",
    "contract_schema_version_unsupported": "another version of the contract",
    "contract_evidence_refs_not_array": "`evidenceRefs` is no list",
}

#: Runs of the Horizon bridge, its queue, and what it queues.
BRIDGE: Final[Mapping[str, str]] = {
    "horizon_bridge_claimed_files": "files were taken out of the outbox",
    "horizon_bridge_contract_validation_failed": "a file breaks the envelope contract, and was laid aside",
    "horizon_bridge_duplicates_skipped": "envelopes that were known already were passed over",
    "horizon_bridge_no_outbox_files": "there was nothing in the outbox",
    "horizon_bridge_queue_updated": "intents were queued",
    "horizon_bridge_confirmation_pending": "intents wait for a person",
    "horizon_bridge_queue_empty": "nothing waits",
    "horizon_bridge_manual_confirmation_required": "an intent of the bridge is never carried out by itself",
}

"""Codes of the promotion gates and the promotion controller."""

from __future__ import annotations

from opsd.promotion.controller.words import Reason as ControllerReason
from opsd.promotion.words import Reason as PromotionReason
from tools.reference.meanings.codes import Codes

PROMOTION = (
    Codes(
        "Gates of promotion",
        "`reasonCodes` of `fleet/promotion-state.json` and of the pipeline's result. A drill adds "
        "`promotion_drill_missing_…`, `…_not_passed_…`, `…_timestamp_invalid_…` and `…_stale_…` with its id.",
        PromotionReason,
        {
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
        },
    ),
    Codes(
        "The promotion controller",
        "`reasonCodes` of `fleet/promotion-controller-state.json`. A step whose command failed adds "
        "`controller_evaluate_command_failed`, `controller_apply_command_failed` or "
        "`controller_rollback_command_failed`.",
        ControllerReason,
        {
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
        },
    ),
)

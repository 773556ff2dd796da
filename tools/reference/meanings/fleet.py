"""Codes of the fleet's steps, from its pass to a dispatch."""

from __future__ import annotations

from opsd.fleet.handoff.words import Brake, Guard, HandoffReason, ResultReason
from opsd.fleet.loop_answer import LoopReason
from opsd.fleet.policy.words import Reason as AutonomyReason
from opsd.fleet.policy.words import StateReason, SuppressionReason, WarningCode
from opsd.fleet.rollup import FleetReason
from tools.reference.meanings.codes import Codes

FLEET = (
    Codes(
        "A loop in the fleet's pass",
        "`reasonCode` of a result in `fleet/state.json`, beside the codes of health and of failed passes.",
        LoopReason,
        {
            "loop_disabled": "its registry entry says `enabled: false`",
            "missing_service_base_url": "its entry names no address",
            "missing_service_token_env": "the variable of its token is unset",
            "missing_runtime_artifacts": "there is no such loop in the repo",
        },
    ),
    Codes(
        "The fleet's pass",
        '`reasonCodes` of `fleet/state.json`, `opsd_fleet_reason{document="fleet"}`.',
        FleetReason,
        {
            "fleet_partial_failure": "some loops could not be looked at",
            "fleet_reconcile_failed": "a loop's pass failed",
            "fleet_health_critical": "a loop is critical",
            "fleet_health_degraded": "a loop is degraded",
            "fleet_loop_skipped": "a loop was not looked at, as its entry wants it or lacks something",
        },
    ),
    Codes(
        "The policy as a whole",
        '`reasonCodes` of `fleet/policy-state.json`, `opsd_fleet_reason{document="policy"}`.',
        StateReason,
        {
            "fleet_action_required": "candidates are shown",
            "no_action_required": "nothing is wrong",
            "fleet_actions_suppressed": "there are candidates, and all of them are suppressed",
            "fleet_actions_policy_suppressed": "the registry suppresses some",
            "fleet_actions_deduped": "some were shown a short while ago",
            "fleet_auto_candidates_eligible": "autonomy may act on some",
            "fleet_auto_candidates_blocked": "autonomy may not act on some",
            "fleet_auto_candidates_rollout_gated": "scope or canary excludes some",
            "fleet_auto_candidates_paused": "the rollout is paused",
            "fleet_auto_candidates_autopause_triggered": "the rollout has paused itself",
            "fleet_auto_kill_switch_enabled": "the kill switch is on",
            "fleet_auto_candidates_safety_blocked": "a safety gate holds some back",
        },
    ),
    Codes(
        "Candidates that nobody is shown",
        "`suppressionReason` of a candidate, `opsd_fleet_candidates{suppression}`.",
        SuppressionReason,
        {
            "registry_policy_suppression": "the registry's `policy.suppressions` name it",
            "advisory_cooldown_active": "it was shown within the dedupe window",
        },
    ),
    Codes(
        "What holds autonomy back",
        "`autonomous.reasons` of a candidate, `opsd fleet explain`, `opsd_fleet_autonomy_reasons{reason}`.",
        AutonomyReason,
        {
            "policy_mode_not_guarded_auto": "the registry's mode is advisory",
            "candidate_suppressed": "it is not shown, so it is not acted on",
            "category_not_allowlisted": "its category is not among `policy.autonomous.allow.categories`",
            "no_recommended_intent": "nothing is recommended for it",
            "intent_not_allowlisted": "what is recommended is not among `policy.autonomous.allow.intents`",
            "severity_below_threshold": "less severe than `policy.autonomous.thresholds.minSeverity`",
            "confidence_below_threshold": "less certain than `policy.autonomous.thresholds.minConfidence`",
            "autonomous_rollout_scope_excluded": "outside `policy.autonomous.rollout.scope`",
            "autonomous_rollout_canary_excluded": "not in the cohort that `canaryPercent` chooses",
            "autonomous_rollout_paused_manual": "a person has paused the rollout",
            "autonomous_rollout_paused_auto": "the rollout has paused itself",
            "autonomous_autopause_ambiguous_spike": "it paused because too many dispatches ended ambiguous",
            "autonomous_autopause_failure_spike": "it paused because too many dispatches failed",
            "fleet_state_too_old": "the rollup is older than was asked for",
            "autonomous_governance_review_expired": "the review deadline has passed",
            "autonomous_kill_switch_enabled": "the kill switch is on",
            "autonomous_cooldown_active": "the loop was acted on a short while ago",
            "autonomous_max_actions_per_run_exceeded": "the run's number of actions is used up",
            "autonomous_max_actions_per_loop_exceeded": "the loop's number of actions is used up",
        },
    ),
    Codes(
        "Warnings of the policy",
        "`warnings` of `fleet/policy-state.json`, `opsd_fleet_policy_warnings{code}`.",
        WarningCode,
        {
            "autopause_ended_without_evidence": "a pause of its own ended because what caused it left the window",
            "candidates_of_unregistered_loops": "the rollup holds loops that the registry does not",
            "fleet_state_too_old": "the rollup is older than was asked for",
            "history_in_the_future": "rows dated in the future: a clock was wrong",
            "controls_changed_without_new_approval": "limits of autonomy changed under the former approval",
            "fleet_id_differs_from_registry": "the rollup is of another fleet",
        },
    ),
    Codes(
        "The handoff",
        '`reasonCodes` of `fleet/handoff-state.json`, `opsd_fleet_reason{document="handoff"}`.',
        HandoffReason,
        {
            "fleet_handoff_action_required": "there are intents",
            "fleet_handoff_no_action": "there is nothing to do",
            "fleet_handoff_confirmation_pending": "intents wait for a person",
            "fleet_handoff_executed": "intents were executed",
            "fleet_handoff_execution_ambiguous": "an intent was executed, and no effect was seen",
            "fleet_handoff_execution_failed": "an intent failed",
            "fleet_handoff_partial_mapping": "some candidates have no intent",
            "fleet_handoff_unmapped_candidates": "candidates without an intent",
            "fleet_handoff_retry_guarded": "autonomy leaves an intent alone after it ended ambiguous or failed",
            "fleet_handoff_auto_eligible_intents": "autonomy may act on intents",
        },
    ),
    Codes(
        "Results of a dispatch",
        "`reasonCode` of an execution's results and of `fleet/handoff-attempts.jsonl`.",
        ResultReason,
        {
            "control_confirmed": "the effect was seen",
            "control_ambiguous": "executed, and no effect was seen in time",
            "control_failed_command": "the command failed",
            "autonomous_intent_not_eligible": "nothing that autonomy may do",
            "missing_service_base_url": "the loop's registry entry names no address",
        },
    ),
    Codes(
        "Retry guards",
        "`reasonCodes` of an intent.",
        Guard,
        {
            "autonomous_retry_guard_ambiguous": "its last dispatch ended ambiguous: a person has to execute it",
            "autonomous_retry_guard_failed": "its last dispatch failed: a person has to execute it",
        },
    ),
    Codes(
        "What stops a dispatch at the last moment",
        "`withheld` of an execution, the log's `autonomy.withheld`.",
        Brake,
        {
            "autonomous_kill_switch_enabled": "the kill switch is on by now",
            "autonomous_rollout_paused_manual": "the rollout is paused by now",
            "autonomous_registry_unreadable": "the registry cannot be read any more",
            "autonomous_loop_in_flight": "another control of the loop is under way",
            "autonomous_manager_stopping": "the daemon is being stopped",
            "autonomous_deadline_passed": "the step is late",
        },
    ),
)

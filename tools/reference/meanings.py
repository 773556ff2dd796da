"""What reason codes mean, in words for an operator, by the set that declares them.

The sets are the code's own enumerations; a code without a meaning, or a meaning without a code, stops the generator.
Codes that no enumeration holds are listed with the module that writes them, and looked up in its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opsd.access.authenticate import RefusalReason
from opsd.alerts.decide import Reason as AlertReason
from opsd.alerts.records.rows import Unusable
from opsd.alerts.targets.retry import GiveUp
from opsd.alerts.targets.target_state import Refusal
from opsd.api.failure import ERRORS, ErrorCode
from opsd.contract.reasons import EscalationCategory, FailureCode, ReasonCode, SequenceViolation
from opsd.fleet.handoff.words import Brake, Guard, HandoffReason, ResultReason
from opsd.fleet.loop_answer import LoopReason
from opsd.fleet.policy.words import Reason as AutonomyReason
from opsd.fleet.policy.words import StateReason, SuppressionReason, WarningCode
from opsd.fleet.rollup import FleetReason
from opsd.horizon.envelope import Rejection
from opsd.promotion.controller.words import Reason as ControllerReason
from opsd.promotion.words import Reason as PromotionReason
from opsd.storage.audit_verify import Problem


@dataclass(frozen=True, slots=True)
class Codes:
    """One table: where its codes are seen, who declares them, what each means.

    ``source`` is the enumeration, or the path of the module that holds the codes as text.
    """

    title: str
    where: str
    source: type[StrEnum] | str
    meanings: Mapping[str, str]


GROUPS = (
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
    Codes(
        "Alerts that nobody is told",
        "`reasonCode` of skipped rows in `telemetry/alerts.jsonl`.",
        AlertReason,
        {
            "severity_below_min": "below the least severity of its route",
            "no_dispatchable_sinks": "no sink of its route is enabled",
            "inhibited": "another incident that is open mutes it",
            "silenced": "a silence is in force for it; told when that ends while it is still so",
            "coalesced": "told together with another one of its category",
        },
    ),
    Codes(
        "Rows that are no alert",
        "`reasonCode` of failed rows in `telemetry/alerts.jsonl`.",
        Unusable,
        {
            "blank": "an empty line: passed over without a row",
            "invalid_escalation_json": "a line that is no JSON object",
            "missing_escalation_category": "a row without a category",
        },
    ),
    Codes(
        "Requests to sinks that did not work",
        "`lastError` of a sink, `telemetry/alert-deliveries.jsonl`, `opsd_alert_attempts_total{reason}` "
        "(`ok`: it worked).",
        "opsd/alerts/targets/retry.py",
        {
            "http_error": "the sink answered with an error status",
            "request_failed": "no answer: refused, timed out, or broken off",
            "missing_secret": "the variable that holds the sink's address or key is unset",
        },
    ),
    Codes(
        "Requests to sinks that wait",
        "`reasonCode` of a delivery that is pending.",
        Refusal,
        {
            "rate_limited": "the sink's own rate limit; it goes as soon as there is room",
            "circuit_open": "the sink answered nothing but errors and is left alone for a while",
        },
    ),
    Codes(
        "Deliveries that were given up",
        "A dead letter's reason.",
        GiveUp,
        {
            "permanent_failure": "the sink refused it for good",
            "attempt_limit": "tried as often as the sink's settings allow",
            "age_limit": "tried for as long as the sink's settings allow",
        },
    ),
    Codes(
        "Rows of alert telemetry",
        "`reasonCode` of `telemetry/alerts.jsonl` beside those above.",
        "opsd/alerts/records/telemetry.py",
        {
            "route_resolution_failed": "catalog or program could not tell a route",
            "invalid_route_resolution": "a replaced resolver answered something that is no route",
            "dispatch_failed": "no sink took it",
            "partial_dispatch_failure": "some sinks took it",
            "alert_dispatch_failed": "the dispatcher as a whole failed",
        },
    ),
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
    Codes(
        "The Horizon bridge",
        "Rejected lines in `fleet/telemetry/horizon-bridge.jsonl`.",
        Rejection,
        {
            "contract_invalid_json": "no JSON object, or a file that is too large",
            "contract_required_field_missing": "a field that has to be there is missing",
            "contract_schema_version_unsupported": "another version of the contract",
            "contract_evidence_refs_not_array": "`evidenceRefs` is no list",
        },
    ),
    Codes(
        "The bridge's queue",
        "`reasonCodes` of the bridge's state.",
        "opsd/horizon/records.py",
        {
            "horizon_bridge_confirmation_pending": "intents wait for a person",
            "horizon_bridge_queue_empty": "nothing waits",
            "horizon_bridge_manual_confirmation_required": "an intent of the bridge is never carried out by itself",
        },
    ),
    Codes(
        "Audit logs",
        "`opsd audit verify`.",
        Problem,
        {
            "log_missing": "the log is gone, and its head says that there was one",
            "row_does_not_follow": "a row is not linked to the one before it: edited, removed or put in between",
            "row_unreadable": "a line that is no row",
            "row_not_chained": "a row without a link behind rows that have one",
            "rows_cut_off": "the head remembers more rows than there are",
            "last_row_altered": "the last row is not the one that the head remembers",
            "head_missing": "the head file is gone",
            "head_unreadable": "the head file cannot be read",
            "head_was_missing": "the head had been lost, and was made anew at some row",
        },
    ),
    Codes(
        "Who is not let in",
        "The log, `opsd_http_refusals_total{reason}` and `sprite_service_refused_tokens_total{reason}`; the caller is "
        "told 401, 403 or 429 and no reason.",
        RefusalReason,
        {
            "missing": "no token",
            "malformed": "not of a token's form, or its checksum is wrong",
            "foreign": "a token of the other kind of service",
            "unknown": "nobody has this token",
            "expired": "its time is over",
            "revoked": "it was revoked",
            "throttled": "too many failures from that address",
            "forbidden": "known, and not allowed to do this",
        },
    ),
    Codes(
        "Answers of the control API",
        "`error.code` of an answer, with its HTTP status; see [api.md](../api.md).",
        ErrorCode,
        {code.value: f"{status}: {meaning}" for code, (status, meaning) in ERRORS.items()},
    ),
)

"""Every set of reason codes: where it is seen, who declares it, and what its codes mean (:mod:`opsd.cli.reasons`).

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
from opsd.cli.reasons import alerts, fleet, loop, promotion
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
        loop.HEALTH,
    ),
    Codes(
        "Why a pass failed",
        "`failureCode` of a pass, `opsd_reconcile_failures_total{code}`.",
        FailureCode,
        loop.FAILED_PASS,
    ),
    Codes(
        "Order of envelopes",
        "`violations` of `sequence-state.json` and `telemetry/sequence.jsonl`.",
        SequenceViolation,
        loop.ORDER,
    ),
    Codes(
        "Escalations",
        "`category` of `escalations.jsonl`, what routes of alerts name, `opsd_loop_escalations_total{category}`.",
        EscalationCategory,
        loop.ESCALATIONS,
    ),
    Codes(
        "Alerts that nobody is told",
        "`reasonCode` of skipped rows in `telemetry/alerts.jsonl`.",
        AlertReason,
        alerts.UNTOLD,
    ),
    Codes(
        "Rows that are no alert",
        "`reasonCode` of failed rows in `telemetry/alerts.jsonl`.",
        Unusable,
        alerts.UNUSABLE_ROWS,
    ),
    Codes(
        "Requests to sinks that did not work",
        "`lastError` of a sink, `telemetry/alert-deliveries.jsonl`, `opsd_alert_attempts_total{reason}` "
        "(`ok`: it worked).",
        "opsd/alerts/targets/retry.py",
        alerts.FAILED_REQUESTS,
    ),
    Codes(
        "Requests to sinks that wait",
        "`reasonCode` of a delivery that is pending.",
        Refusal,
        alerts.WAITING_REQUESTS,
    ),
    Codes(
        "Deliveries that were given up",
        "A dead letter's reason.",
        GiveUp,
        alerts.GIVEN_UP,
    ),
    Codes(
        "Rows of alert telemetry",
        "`reasonCode` of `telemetry/alerts.jsonl` beside those above.",
        "opsd/alerts/records/telemetry.py",
        alerts.ALERT_TELEMETRY,
    ),
    Codes(
        "A loop in the fleet's pass",
        "`reasonCode` of a result in `fleet/state.json`, beside the codes of health and of failed passes.",
        LoopReason,
        loop.NOT_LOOKED_AT,
    ),
    Codes(
        "The fleet's pass",
        '`reasonCodes` of `fleet/state.json`, `opsd_fleet_reason{document="fleet"}`.',
        FleetReason,
        fleet.FLEET_PASS,
    ),
    Codes(
        "The policy as a whole",
        '`reasonCodes` of `fleet/policy-state.json`, `opsd_fleet_reason{document="policy"}`.',
        StateReason,
        fleet.POLICY,
    ),
    Codes(
        "Candidates that nobody is shown",
        "`suppressionReason` of a candidate, `opsd_fleet_candidates{suppression}`.",
        SuppressionReason,
        fleet.SUPPRESSED,
    ),
    Codes(
        "What holds autonomy back",
        "`autonomous.reasons` of a candidate, `opsd fleet explain`, `opsd_fleet_autonomy_reasons{reason}`.",
        AutonomyReason,
        fleet.AUTONOMY,
    ),
    Codes(
        "Warnings of the policy",
        "`warnings` of `fleet/policy-state.json`, `opsd_fleet_policy_warnings{code}`.",
        WarningCode,
        fleet.POLICY_WARNINGS,
    ),
    Codes(
        "The handoff",
        '`reasonCodes` of `fleet/handoff-state.json`, `opsd_fleet_reason{document="handoff"}`.',
        HandoffReason,
        fleet.HANDOFF,
    ),
    Codes(
        "Results of a dispatch",
        "`reasonCode` of an execution's results and of `fleet/handoff-attempts.jsonl`.",
        ResultReason,
        fleet.DISPATCH_RESULTS,
    ),
    Codes(
        "Retry guards",
        "`reasonCodes` of an intent.",
        Guard,
        fleet.RETRY_GUARDS,
    ),
    Codes(
        "What stops a dispatch at the last moment",
        "`withheld` of an execution, the log's `autonomy.withheld`.",
        Brake,
        fleet.BRAKES,
    ),
    Codes(
        "Gates of promotion",
        "`reasonCodes` of `fleet/promotion-state.json` and of the pipeline's result. A drill adds "
        "`promotion_drill_missing_…`, `…_not_passed_…`, `…_timestamp_invalid_…` and `…_stale_…` with its id.",
        PromotionReason,
        promotion.GATES,
    ),
    Codes(
        "The promotion controller",
        "`reasonCodes` of `fleet/promotion-controller-state.json`. A step whose command failed adds "
        "`controller_evaluate_command_failed`, `controller_apply_command_failed` or "
        "`controller_rollback_command_failed`.",
        ControllerReason,
        promotion.CONTROLLER,
    ),
    Codes(
        "The Horizon bridge",
        "Rejected lines in `fleet/telemetry/horizon-bridge.jsonl`.",
        Rejection,
        promotion.REJECTED_ENVELOPES,
    ),
    Codes(
        "Runs of the Horizon bridge",
        "`reasonCodes` of the bridge's state, of its queue, and of an intent in it.",
        "opsd/horizon/records.py",
        promotion.BRIDGE,
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

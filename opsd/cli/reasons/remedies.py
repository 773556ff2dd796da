"""What to do about a reason code: where the runbook tells it, and the commands that look at it or mend it.

A command is what a person types behind ``opsd``; the page that shows it adds where the loop or fleet is. A test holds
that every section is one of ``docs/runbook.md``, and that every command takes the flags that stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Step(NamedTuple):
    """A command, and what it tells or does.

    Attributes:
        reads_loop: it needs the loop's own files. Those of a loop behind a service are not in the manager's folder:
            there it works through the daemon only.
    """

    label: str
    command: str
    reads_loop: bool = False


class Remedy(NamedTuple):
    """What to do: ``runbook`` is the title of its section."""

    runbook: str
    steps: tuple[Step, ...] = ()


_SNAPSHOT: Final = Step("what the loop says of itself", "snapshot", reads_loop=True)
_USUAL: Final = Step("what is usual there", "telemetry-summary")
_CANCEL: Final = Step("end it for good", "control --intent cancel", reads_loop=True)
_MESSAGE: Final = Step("the message, with file and line", "reconcile", reads_loop=True)

#: Health reasons of a loop, and failed passes.
LOOP: Final[Mapping[str, Remedy]] = {
    "divergence_detected": Remedy("Divergence triage", (_SNAPSHOT,)),
    "control_ambiguous": Remedy("Safe retry"),
    "control_failed_command": Remedy("Safe retry"),
    "ingest_stale": Remedy("OpsdLoopStale", (_SNAPSHOT, _USUAL)),
    "runtime_heartbeat_stale": Remedy("OpsdLoopStale", (_SNAPSHOT, _USUAL)),
    "transport_unreachable": Remedy("OpsdLoopUnreachable"),
    "ordering_drift_detected": Remedy("OpsdLoopOrderingDrift"),
    "invalid_transport_payload": Remedy("OpsdLoopDamagedInput", (_MESSAGE,)),
    "projection_failed": Remedy("OpsdLoopDamagedInput", (_MESSAGE,)),
    "reconcile_failed": Remedy("OpsdLoopDamagedInput", (_MESSAGE,)),
    "profile_drift_detected": Remedy("OpsdLoopProfileDrift", (_USUAL,)),
    "run_process_missing": Remedy("OpsdLoopProcessMissing", (_CANCEL,)),
    "missing_heartbeat_timestamp": Remedy("OpsdLoopStale", (_SNAPSHOT,)),
    "invalid_heartbeat_timestamp": Remedy("OpsdLoopStale", (_SNAPSHOT,)),
    "snapshot_unavailable": Remedy("OpsdLoopDamagedInput"),
    "events_unavailable": Remedy("Cursor reset and replay"),
    "service_request_failed": Remedy("Outage fallback"),
    "service_response_invalid": Remedy("OpsdLoopDamagedInput"),
}

_HANDOFF: Final = Step("what waits for a person", "fleet handoff")
_STATUS: Final = Step("what autonomy did last", "fleet status")
_DRILL: Final = Step("carry the drills out", "drill run all")
_GATES: Final = Step("ask the gates again", "promotion gates")
_REVIEW: Final = Remedy("Governance review")

#: Why the gates hold. Single drills are in :data:`DRILL_TROUBLES`.
PROMOTION: Final[Mapping[str, Remedy]] = {
    "promotion_policy_mode_not_guarded_auto": _REVIEW,
    "promotion_governance_posture_not_active": _REVIEW,
    "promotion_governance_blocks_autonomous": _REVIEW,
    "promotion_governance_authority_missing": _REVIEW,
    "promotion_governance_review_deadline_missing": _REVIEW,
    "promotion_governance_review_expired": _REVIEW,
    "promotion_handoff_telemetry_missing": Remedy("OpsdPromotionHeldForLong"),
    "promotion_autonomous_sample_insufficient": Remedy("OpsdPromotionHeldForLong"),
    "promotion_autonomous_attempts_zero": Remedy("OpsdPromotionHeldForLong"),
    "promotion_autonomous_ambiguity_rate_exceeded": Remedy("OpsdFleetDispatchUnclear", (_STATUS,)),
    "promotion_autonomous_failure_rate_exceeded": Remedy("OpsdFleetDispatchUnclear", (_STATUS,)),
    "promotion_manual_backlog_unavailable": Remedy("Handoff", (_HANDOFF,)),
    "promotion_manual_backlog_exceeded": Remedy("Handoff", (_HANDOFF,)),
    "promotion_autopause_active": Remedy("OpsdFleetAutoPaused", (_STATUS,)),
    "promotion_suppression_paths_missing": Remedy("The first minute", (Step("evaluate the policy", "fleet policy"),)),
    "promotion_drill_state_missing": Remedy("Drills", (_DRILL,)),
    "promotion_drill_state_invalid": Remedy("Drills", (_DRILL,)),
}

#: What is wrong with a single drill, by what its code begins with. One that did not hold is no matter of repeating it.
DRILL_TROUBLES: Final[Mapping[str, Remedy]] = {
    "promotion_drill_missing_": Remedy("Drills", (_DRILL,)),
    "promotion_drill_not_passed_": Remedy("Drills", (Step("stop all autonomy", "fleet kill-switch --engage"),)),
    "promotion_drill_timestamp_invalid_": Remedy("Drills", (_DRILL,)),
    "promotion_drill_stale_": Remedy("Drills", (_DRILL,)),
}

_RESUME: Final = Step("once it is understood", "fleet resume")
_ROLLED_BACK: Final = Remedy("OpsdPromotionRolledBack", (_GATES, _RESUME))
_JOB: Final = Remedy("OpsdJobFailing", (_GATES,))

#: Why the controller holds, takes back, or fails. Budgets and freeze windows end by themselves.
CONTROLLER: Final[Mapping[str, Remedy]] = {
    "controller_decision_timestamp_invalid": Remedy("Drills", (_GATES,)),
    "controller_decision_stale": Remedy("Drills", (_GATES,)),
    "controller_decision_not_promote": Remedy("OpsdPromotionHeldForLong", (_GATES,)),
    "controller_verification_command_failed": _ROLLED_BACK,
    "controller_verification_result_missing": _ROLLED_BACK,
    "controller_verification_result_invalid": _ROLLED_BACK,
    "controller_verification_failed": _ROLLED_BACK,
    "controller_rollback_triggered": _ROLLED_BACK,
    "controller_manual_pause_active": Remedy("Kill switch and pause", (_RESUME,)),
    "controller_manual_pause_unknown": Remedy("OpsdRegistryRefused", (Step("check the registry", "fleet registry"),)),
    "controller_evaluate_command_failed": _JOB,
    "controller_apply_command_failed": _JOB,
    "controller_rollback_command_failed": Remedy("OpsdPromotionRolledBack", (Step("is it paused", "fleet registry"),)),
}

#: What the bridge met.
BRIDGE: Final[Mapping[str, Remedy]] = {
    "horizon_bridge_contract_validation_failed": Remedy("OpsdHorizonFilesRejected"),
    "horizon_bridge_confirmation_pending": Remedy("OpsdHorizonIntentsWaiting"),
}

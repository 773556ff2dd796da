"""The closed sets of words of the promotion controller (contract 95, sections 4 and 6)."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How far a pass may go."""

    PROPOSE_ONLY = "propose_only"
    GUARDED_AUTO_APPLY = "guarded_auto_apply"


class Action(StrEnum):
    """What a pass plans, and what it has done."""

    PROPOSE = "propose"
    HOLD = "hold"
    APPLY = "apply"
    ROLLBACK = "rollback"


class Status(StrEnum):
    """How a pass ended."""

    PROPOSED = "proposed"
    HOLD = "hold"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


#: What a pass that did not fail is called by its last action.
STATUS_OF = {
    Action.PROPOSE: Status.PROPOSED,
    Action.HOLD: Status.HOLD,
    Action.APPLY: Status.APPLIED,
    Action.ROLLBACK: Status.ROLLED_BACK,
}


class Stage(StrEnum):
    """The commands whose failure is recorded as the pass's own."""

    EVALUATE = "evaluate"
    APPLY = "apply"
    ROLLBACK = "rollback"

    @property
    def reason(self) -> str:
        """The reason code of its failure."""
        return f"controller_{self}_command_failed"


class Reason(StrEnum):
    """Why a pass decided as it did."""

    TIMESTAMP_INVALID = "controller_decision_timestamp_invalid"
    STALE = "controller_decision_stale"
    APPLY_COUNT = "controller_budget_apply_count_exceeded"
    EXPAND_STEP = "controller_budget_expand_step_exceeded"
    COOLDOWN = "controller_budget_cooldown_active"
    FREEZE = "controller_budget_freeze_window_active"
    NOT_PROMOTE = "controller_decision_not_promote"
    VERIFY_COMMAND = "controller_verification_command_failed"
    VERIFY_MISSING = "controller_verification_result_missing"
    VERIFY_INVALID = "controller_verification_result_invalid"
    VERIFY_FAILED = "controller_verification_failed"
    ROLLBACK = "controller_rollback_triggered"
    #: Beside the contract's, only with ``--hold-while-paused``: the pause stands, or nobody can tell whether it does.
    PAUSED = "controller_manual_pause_active"
    PAUSE_UNKNOWN = "controller_manual_pause_unknown"

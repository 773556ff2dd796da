"""The closed sets of words of the handoff (contract 80)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from opsd.fleet.policy.words import Reason

PLAN_ROW: Final = "fleet_handoff_plan"
EXECUTE_ROW: Final = "fleet_handoff_execute"
ATTEMPT_ROW: Final = "fleet_handoff_attempt"
OUTCOME_ROW: Final = "fleet_handoff_attempt_outcome"


class ExecutionMode(StrEnum):
    """Who has decided on a dispatch."""

    MANUAL = "manual"
    AUTONOMOUS = "autonomous"


class IntentStatus(StrEnum):
    """What became of an intent."""

    PENDING = "pending_operator_confirmation"
    EXECUTED = "executed"
    AMBIGUOUS = "execution_ambiguous"
    FAILED = "execution_failed"


class ResultStatus(StrEnum):
    """How one dispatch ended. ``withheld`` never was one, and stands only in the record of attempts."""

    EXECUTED = "executed"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    WITHHELD = "withheld"


INTENT_STATUS: Final = {
    ResultStatus.EXECUTED: IntentStatus.EXECUTED,
    ResultStatus.AMBIGUOUS: IntentStatus.AMBIGUOUS,
    ResultStatus.FAILED: IntentStatus.FAILED,
}


class ResultReason(StrEnum):
    """Why a result is as it is."""

    CONFIRMED = "control_confirmed"
    AMBIGUOUS = "control_ambiguous"
    FAILED_COMMAND = "control_failed_command"
    NOT_ELIGIBLE = "autonomous_intent_not_eligible"
    MISSING_BASE_URL = "missing_service_base_url"


GUARD_PREFIX: Final = "autonomous_retry_guard_"


class Guard(StrEnum):
    """Why an intent is kept from autonomous dispatch until a person has executed it."""

    AMBIGUOUS = "autonomous_retry_guard_ambiguous"
    FAILED = "autonomous_retry_guard_failed"


class Brake(StrEnum):
    """What stops an autonomous run; from the third on they are ours."""

    KILL_SWITCH = Reason.KILL_SWITCH.value
    PAUSED = Reason.PAUSED_MANUAL.value
    REGISTRY_UNREADABLE = "autonomous_registry_unreadable"
    LOOP_BUSY = "autonomous_loop_in_flight"
    STOPPING = "autonomous_manager_stopping"
    OUT_OF_TIME = "autonomous_deadline_passed"


class HandoffReason(StrEnum):
    """Reason codes of a handoff state (4.5)."""

    ACTION_REQUIRED = "fleet_handoff_action_required"
    NO_ACTION = "fleet_handoff_no_action"
    PENDING = "fleet_handoff_confirmation_pending"
    EXECUTED = "fleet_handoff_executed"
    AMBIGUOUS = "fleet_handoff_execution_ambiguous"
    FAILED = "fleet_handoff_execution_failed"
    PARTIAL_MAPPING = "fleet_handoff_partial_mapping"
    UNMAPPED = "fleet_handoff_unmapped_candidates"
    RETRY_GUARDED = "fleet_handoff_retry_guarded"
    AUTO_ELIGIBLE = "fleet_handoff_auto_eligible_intents"

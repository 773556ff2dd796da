"""The closed sets of words of fleet policy: modes, categories, ranks, reason codes (contract 70, 3, 4, 6, 9, 10.3)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

TAXONOMY_VERSION: Final = "v1"


class Mode(StrEnum):
    """Who may act: only a person, or also the manager inside its rails."""

    ADVISORY = "advisory"
    GUARDED_AUTO = "guarded_auto"


class Category(StrEnum):
    """What can be wrong with a loop of a fleet."""

    RECONCILE_FAILED = "reconcile_failed"
    HEALTH_CRITICAL = "health_critical"
    HEALTH_DEGRADED = "health_degraded"


class CategoryFacts(NamedTuple):
    """What the taxonomy says of one category."""

    signal: str
    severity: str
    confidence: str
    rationale: str
    intent: str


#: In the order in which the policy state lists them.
TAXONOMY: Final[dict[Category, CategoryFacts]] = {
    Category.RECONCILE_FAILED: CategoryFacts(
        "status_failed", "critical", "high", "Loop reconcile failed in fleet fan-out", "cancel"
    ),
    Category.HEALTH_CRITICAL: CategoryFacts("health_critical", "critical", "high", "Loop health is critical", "cancel"),
    Category.HEALTH_DEGRADED: CategoryFacts(
        "health_degraded", "warning", "medium", "Loop health is degraded", "cancel"
    ),
}

_SEVERITY_RANKS = {"critical": 3, "warning": 2, "info": 1}
_CONFIDENCE_RANKS = {"high": 3, "medium": 2, "low": 1}


def severity_rank(word: str) -> int:
    """3 for critical down to 1 for info, 0 for anything else."""
    return _SEVERITY_RANKS.get(word, 0)


def confidence_rank(word: str) -> int:
    """3 for high down to 1 for low, 0 for anything else."""
    return _CONFIDENCE_RANKS.get(word, 0)


class SuppressionReason(StrEnum):
    """Why a candidate is not shown to anybody now."""

    REGISTRY = "registry_policy_suppression"
    COOLDOWN = "advisory_cooldown_active"


class Reason(StrEnum):
    """Why a candidate is not eligible for autonomous dispatch."""

    MODE = "policy_mode_not_guarded_auto"
    SUPPRESSED = "candidate_suppressed"
    CATEGORY = "category_not_allowlisted"
    NO_INTENT = "no_recommended_intent"
    INTENT = "intent_not_allowlisted"
    SEVERITY = "severity_below_threshold"
    CONFIDENCE = "confidence_below_threshold"
    SCOPE = "autonomous_rollout_scope_excluded"
    CANARY = "autonomous_rollout_canary_excluded"
    PAUSED_MANUAL = "autonomous_rollout_paused_manual"
    PAUSED_AUTO = "autonomous_rollout_paused_auto"
    AMBIGUOUS_SPIKE = "autonomous_autopause_ambiguous_spike"
    FAILURE_SPIKE = "autonomous_autopause_failure_spike"
    #: Ours, only where a maximum age was asked for (weakness 11).
    STATE_TOO_OLD = "fleet_state_too_old"
    #: Ours, only where the caller works on after the review deadline (60, weakness 5).
    REVIEW_EXPIRED = "autonomous_governance_review_expired"
    KILL_SWITCH = "autonomous_kill_switch_enabled"
    COOLDOWN = "autonomous_cooldown_active"
    RUN_CAP = "autonomous_max_actions_per_run_exceeded"
    LOOP_CAP = "autonomous_max_actions_per_loop_exceeded"


class StateReason(StrEnum):
    """Reason codes of the policy state as a whole."""

    ACTION_REQUIRED = "fleet_action_required"
    NO_ACTION = "no_action_required"
    SUPPRESSED = "fleet_actions_suppressed"
    POLICY_SUPPRESSED = "fleet_actions_policy_suppressed"
    DEDUPED = "fleet_actions_deduped"
    ELIGIBLE = "fleet_auto_candidates_eligible"
    BLOCKED = "fleet_auto_candidates_blocked"
    ROLLOUT_GATED = "fleet_auto_candidates_rollout_gated"
    PAUSED = "fleet_auto_candidates_paused"
    AUTOPAUSED = "fleet_auto_candidates_autopause_triggered"
    KILL_SWITCH = "fleet_auto_kill_switch_enabled"
    SAFETY_BLOCKED = "fleet_auto_candidates_safety_blocked"


class AuditEvent(StrEnum):
    """What a row of the governance audit records."""

    INITIALIZED = "autonomous_policy_initialized"
    TOGGLED = "autonomous_mode_toggled"
    MUTATED = "autonomous_policy_mutated"


class WarningCode(StrEnum):
    """What an operator should look at although the run succeeded; additive ``warnings`` of the policy state."""

    AUTOPAUSE_ENDED = "autopause_ended_without_evidence"
    UNREGISTERED = "candidates_of_unregistered_loops"
    STATE_TOO_OLD = "fleet_state_too_old"
    CLOCK_SKEW = "history_in_the_future"
    NO_NEW_APPROVAL = "controls_changed_without_new_approval"
    FLEET_ID = "fleet_id_differs_from_registry"

"""The closed sets of words of promotion (contract 90; reason codes also in 00)."""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """What the gates say together; only the CI wrapper skips."""

    PROMOTE = "promote"
    HOLD = "hold"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """What one gate concludes. Only ``PASS`` is a pass: a question that nobody can answer holds like a bad answer."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NO_EVIDENCE = "no_evidence"


class Drill(StrEnum):
    """The drills that have to be passed, in the order in which they are judged."""

    KILL_SWITCH = "kill_switch"
    SPRITE_OUTAGE = "sprite_service_outage"
    RETRY_GUARD = "ambiguous_retry_guard"


class Reason(StrEnum):
    """Why a gate does not pass. The reasons of a single drill end with its id, see :class:`DrillTrouble`."""

    MODE = "promotion_policy_mode_not_guarded_auto"
    POSTURE = "promotion_governance_posture_not_active"
    BLOCKED = "promotion_governance_blocks_autonomous"
    AUTHORITY_MISSING = "promotion_governance_authority_missing"
    DEADLINE_MISSING = "promotion_governance_review_deadline_missing"
    REVIEW_EXPIRED = "promotion_governance_review_expired"
    HANDOFF_MISSING = "promotion_handoff_telemetry_missing"
    HANDOFF_INVALID = "promotion_handoff_telemetry_invalid"
    SAMPLE_INSUFFICIENT = "promotion_autonomous_sample_insufficient"
    ATTEMPTS_ZERO = "promotion_autonomous_attempts_zero"
    AMBIGUITY_EXCEEDED = "promotion_autonomous_ambiguity_rate_exceeded"
    FAILURE_EXCEEDED = "promotion_autonomous_failure_rate_exceeded"
    BACKLOG_UNAVAILABLE = "promotion_manual_backlog_unavailable"
    BACKLOG_EXCEEDED = "promotion_manual_backlog_exceeded"
    AUTOPAUSE_ACTIVE = "promotion_autopause_active"
    PATHS_MISSING = "promotion_suppression_paths_missing"
    DRILLS_MISSING = "promotion_drill_state_missing"
    DRILLS_INVALID = "promotion_drill_state_invalid"
    CI_EVIDENCE_MISSING = "promotion_ci_missing_evidence"


class DrillTrouble(StrEnum):
    """What is wrong with one drill."""

    MISSING = "missing"
    NOT_PASSED = "not_passed"
    TIMESTAMP_INVALID = "timestamp_invalid"
    STALE = "stale"

    def of(self, drill: Drill) -> str:
        """The reason code, ``promotion_drill_<trouble>_<id>``."""
        return f"promotion_drill_{self}_{drill}"

"""Autonomy in one object: mode, governance, what is held back and why, rollout, outcomes (contract 75, 5.6)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import drop_null, first_present, present
from opsd.fleet.documents import Document
from opsd.fleet.policy.words import Mode
from opsd.fleet.status.governance import governance_of, governance_section
from opsd.fleet.status.outcomes import pending_manual_only, reason_counts
from opsd.fleet.status.paths import safety_gate_decisions

_TUNING = ("lookbackExecutions", "minSampleSize", "ambiguityRateThreshold", "failureRateThreshold")


def autonomous_section(
    policy: Document | None, handoff: Document | None, rollup: JsonObject, now: str
) -> JsonObject | None:
    """The ``autonomous`` object; None when neither document exists.

    Raises:
        ManagerFileError: one of them is of a wrong shape.
    """
    leading = policy if policy is not None else handoff
    if leading is None:
        return None
    mode = first_present(leading["mode"], Mode.ADVISORY.value)
    governance = governance_of(policy, now)
    return drop_null(
        {
            "mode": mode,
            "enabled": mode == Mode.GUARDED_AUTO,
            "policyReasonCodes": [] if policy is None else policy.items("reasonCodes"),
            "handoffReasonCodes": [] if handoff is None else handoff.items("reasonCodes"),
            "eligibleCandidateCount": _count(policy, "autoEligibleCount"),
            "manualOnlyCandidateCount": _count(policy, "manualOnlyCount"),
            "outcomeRollup": rollup,
            "governance": None if policy is None else governance_section(policy, governance),
            "safetyGateDecisions": safety_gate_decisions(policy, handoff, governance),
            "rollout": None if policy is None else rollout_section(policy),
            "handoff": None if handoff is None else _handoff(handoff, rollup),
        }
    )


def _count(document: Document | None, key: str) -> int | float:
    return 0 if document is None else document.number(key) or 0


def rollout_section(policy: Document) -> JsonObject:
    """The ``rollout`` object.

    Raises:
        ManagerFileError: a container is of a wrong shape.
    """
    rollout = ("autonomous", "rollout")
    settings = policy.container(*rollout)
    buckets = policy.container(*rollout, "candidateBuckets")
    pause = policy.container(*rollout, "pause")
    automatic = policy.container(*rollout, "pause", "auto")
    active, manual = first_present(pause.get("active"), False), first_present(pause.get("manual"), False)
    reasons = policy.items(*rollout, "pause", "reasons")
    autopause = {
        # Only what is missing is on by default; what was switched off is shown as it is (weakness 3).
        "enabled": automatic.get("enabled") is not False,
        "active": first_present(automatic.get("active"), False),
        "reasons": policy.items(*rollout, "pause", "auto", "reasons"),
        **{key: present(automatic.get(key)) for key in _TUNING},
        "metrics": policy.container(*rollout, "pause", "auto", "metrics"),
    }
    return drop_null(
        {
            "canaryPercent": present(settings.get("canaryPercent")),
            "selectorSalt": present(settings.get("selectorSalt")),
            "scopeLoopIds": policy.items(*rollout, "scopeLoopIds"),
            "candidateBuckets": {
                key: first_present(buckets.get(key), 0) for key in ("inScopeCount", "inCohortCount", "outOfCohortCount")
            },
            "state": {
                "active": active,
                "manualPauseActive": manual,
                "autoPauseActive": autopause["active"],
                "reasonCodes": reasons,
            },
            "autopause": autopause,
            "pause": {"active": active, "reasons": reasons, "manual": manual, "auto": autopause},
        }
    )


def _handoff(handoff: Document, rollup: JsonObject) -> JsonObject:
    summary, execution = handoff.container("summary"), handoff.container("execution")
    return drop_null(
        {
            "autoEligibleIntentCount": first_present(summary.get("autoEligibleIntentCount"), 0),
            "manualOnlyIntentCount": first_present(summary.get("manualOnlyIntentCount"), 0),
            "pendingManualOnlyCount": pending_manual_only(handoff),
            "executionMode": present(execution.get("mode")),
            **{key: first_present(execution.get(key), 0) for key in ("executedCount", "ambiguousCount", "failedCount")},
            "outcomeRollup": rollup,
            "outcomeReasonCodes": reason_counts(handoff),
        }
    )

"""One decision as the documents show it: the state's candidate and the history's row (contract 70, 10.2 and 12)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import drop_null
from opsd.fleet.policy.decisions import Decision
from opsd.fleet.policy.words import TAXONOMY_VERSION, Mode, Reason


def candidate_document(decision: Decision, pause: JsonObject) -> JsonObject:
    """A candidate of the policy state; ``pause`` is the same object for all of them."""
    candidate, found = decision.candidate, decision.subject.suppression
    return {
        "loopId": candidate.loop_id,
        "category": candidate.category,
        "signal": candidate.signal,
        "traceId": candidate.trace_id,
        "candidateId": candidate.id,
        "severity": candidate.severity,
        "confidence": candidate.confidence,
        "rationale": candidate.rationale,
        "taxonomyVersion": TAXONOMY_VERSION,
        "recommendedIntent": candidate.intent,
        "suppressionScope": found.scope,
        "suppressed": found.suppressed,
        "suppressionReason": found.reason,
        "suppressionSource": found.source,
        "cooldown": found.cooldown_document(),
        "autonomous": _autonomous(decision, pause),
    }


def _autonomous(decision: Decision, pause: JsonObject) -> JsonObject:
    controls, cooling = decision.subject.controls, decision.load.cooldown
    return {
        "mode": controls.mode,
        "eligible": decision.eligible,
        "manualOnly": not decision.eligible,
        "reasons": decision.reasons,
        "gatingReasons": decision.gating_reasons,
        "recommendedIntent": decision.candidate.intent,
        "gates": {gate.key: verdict.shown for gate, verdict in decision.verdicts if gate.key},
        "safety": {
            "maxActionsPerRun": controls.max_actions_per_run,
            "maxActionsPerLoop": controls.max_actions_per_loop,
            "cooldownSeconds": controls.cooldown_s,
            "killSwitch": controls.kill_switch,
            "cooldown": {
                "active": cooling.active,
                "remainingSeconds": cooling.remaining_s,
                "lastEligibleAt": None if decision.last_eligible is None else format_utc(decision.last_eligible),
            },
            "killSwitchActive": controls.mode is Mode.GUARDED_AUTO and controls.kill_switch,
            "runCapBlocked": decision.rail is Reason.RUN_CAP,
            "loopCapBlocked": decision.rail is Reason.LOOP_CAP,
        },
        "rollout": {
            "canaryPercent": controls.canary_percent,
            "scopeLoopIds": list(controls.scope),
            "selector": decision.subject.cohort.document(),
            "pause": pause,
        },
    }


def history_row(decision: Decision, common: JsonObject) -> JsonObject:
    """The row that remembers the decision; ``common`` is timestamp, category, fleet, trace and mode."""
    candidate, found = decision.candidate, decision.subject.suppression
    cohort, pause = decision.subject.cohort, decision.subject.pause
    row: JsonObject = {
        **common,
        "candidateId": candidate.id,
        "loopId": candidate.loop_id,
        "candidateCategory": candidate.category,
        "severity": candidate.severity,
        "confidence": candidate.confidence,
        "recommendedIntent": candidate.intent,
        "suppressed": found.suppressed,
        "suppressionReason": found.reason,
        "suppressionScope": found.scope,
        "suppressionSource": found.source,
        "autonomousEligible": decision.eligible,
        "autonomousManualOnly": not decision.eligible,
        "autonomousReasons": decision.reasons,
        "autonomousRolloutInScope": cohort.in_scope or None,
        "autonomousRolloutInCohort": cohort.in_cohort or None,
        "autonomousRolloutBucket": cohort.bucket,
        "autonomousRolloutPauseActive": bool(pause.reasons) or None,
        "autonomousRolloutPauseReasons": list(pause.reasons),
        "autonomousAutoPauseActive": bool(pause.auto_reasons) or None,
        "autonomousAutoPauseReasons": list(pause.auto_reasons),
    }
    return drop_null(row)

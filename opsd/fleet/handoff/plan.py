"""The handoff state: what is planned, how it is summed up, and the telemetry row of a plan (contract 80, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import first_present, uniq
from opsd.fleet.documents import Document
from opsd.fleet.handoff import guard, safety
from opsd.fleet.handoff.intents import Traces, intents_of, unsuppressed
from opsd.fleet.handoff.words import GUARD_PREFIX, PLAN_ROW, Brake, HandoffReason, IntentStatus

_COUNTED = (
    ("pendingConfirmationCount", IntentStatus.PENDING),
    ("executedCount", IntentStatus.EXECUTED),
    ("ambiguousCount", IntentStatus.AMBIGUOUS),
    ("failedCount", IntentStatus.FAILED),
)


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What a plan is made from.

    Args:
        registry: normalized (contract 60, 2.3).
        guards: the retry guards that hold now.
        brake: an autonomous execution follows, so that kill switch and pause take autonomy away.
        settled_bytes: how much of the record of attempts these guards know; None where there is no record.
        now: the wire timestamp of the run.
    """

    policy: Document
    registry: JsonObject
    guards: guard.Guards
    trace_id: str
    prefix: str
    mode: str
    brake: bool
    registry_file: str
    policy_file: str
    settled_bytes: int | None
    now: str


def plan(inputs: PlanInputs) -> JsonObject:
    """The handoff state of a plan; additions of ours stand behind the contract's fields.

    Raises:
        ManagerFileError: the policy state is of a wrong shape.
    """
    policy, registry = inputs.policy, inputs.registry
    candidates = policy.objects("candidates")
    asking = unsuppressed(candidates)
    policy_trace = first_present(policy["traceId"], inputs.trace_id)
    loops = {loop["loopId"]: loop for loop in registry["loops"]}
    planned = intents_of(asking, loops, Traces(inputs.trace_id, policy_trace), inputs.prefix)
    intents = guard.guarded(planned, inputs.guards)
    applied = safety.brakes(registry)
    if inputs.brake and applied:
        intents = [guard.only_manual(intent, applied) for intent in intents]
    state: JsonObject = {
        "schemaVersion": "v1",
        "generatedAt": inputs.now,
        "updatedAt": inputs.now,
        "fleetId": first_present(policy["fleetId"], registry.get("fleetId"), "default"),
        "traceId": inputs.trace_id,
        "policyTraceId": policy_trace,
        "mode": inputs.mode,
        "source": {"registryFile": inputs.registry_file, "policyStateFile": inputs.policy_file},
        "control": {"idempotencyPrefix": inputs.prefix, "requiresOperatorConfirmation": True},
        **conclusions(intents, len(candidates), len(asking)),
        "killSwitchActive": Brake.KILL_SWITCH in applied,
        "pauseActive": Brake.PAUSED in applied,
    }
    absent = guard.of_absent(intents, inputs.guards)
    if absent:
        state["retryGuards"] = absent
    return settled(state, inputs.settled_bytes)


def settled(state: JsonObject, known_bytes: int | None) -> JsonObject:
    """The state, telling how much of the record of attempts it knows."""
    return state if known_bytes is None else {**state, "attemptLog": {"settledBytes": known_bytes}}


def conclusions(intents: Sequence[JsonObject], candidate_count: JsonValue, asking_count: JsonValue) -> JsonObject:
    """Intents, summary and reason codes, the part of the state that an execution changes."""
    statuses = [intent["status"] for intent in intents]
    summary = {
        "candidateCount": candidate_count,
        "unsuppressedCandidateCount": asking_count,
        "intentCount": len(intents),
        "autoEligibleIntentCount": sum(intent["autonomous"]["eligible"] is True for intent in intents),
        "manualOnlyIntentCount": sum(intent["autonomous"]["manualOnly"] is True for intent in intents),
        **{name: statuses.count(status.value) for name, status in _COUNTED},
    }
    return {"intents": list(intents), "summary": summary, "reasonCodes": _reason_codes(intents, summary)}


def _reason_codes(intents: Sequence[JsonObject], summary: JsonObject) -> list[str]:
    reasons = (reason for intent in intents for reason in intent["autonomous"]["reasons"])
    conditions = {
        HandoffReason.ACTION_REQUIRED: summary["intentCount"] > 0,
        HandoffReason.NO_ACTION: summary["intentCount"] == 0,
        HandoffReason.PENDING: summary["pendingConfirmationCount"] > 0,
        HandoffReason.EXECUTED: summary["executedCount"] > 0,
        HandoffReason.AMBIGUOUS: summary["ambiguousCount"] > 0,
        HandoffReason.FAILED: summary["failedCount"] > 0,
        HandoffReason.PARTIAL_MAPPING: summary["intentCount"] < summary["unsuppressedCandidateCount"],
        HandoffReason.UNMAPPED: summary["unsuppressedCandidateCount"] > 0 and summary["intentCount"] == 0,
        HandoffReason.RETRY_GUARDED: any(reason.startswith(GUARD_PREFIX) for reason in reasons),
        HandoffReason.AUTO_ELIGIBLE: summary["autoEligibleIntentCount"] > 0,
    }
    return uniq(code.value for code, holds in conditions.items() if holds)


def plan_row(state: JsonObject) -> JsonObject:
    """The telemetry row of a plan (4.6)."""
    return {
        "timestamp": state["generatedAt"],
        "category": PLAN_ROW,
        "fleetId": state["fleetId"],
        "traceId": state["traceId"],
        "mode": state["mode"],
        "summary": {
            "summary": state["summary"],
            "reasonCodes": state["reasonCodes"],
            "policyTraceId": state["policyTraceId"],
        },
    }

"""The record of a controller pass, built up as the pass goes on (contract 95, 4.3 and 4.5).

A pass that applies keeps its unfinished record in the journal: what is known before an apply, with the apply taken for
done. From there :func:`concluded` and :func:`failed` make the final one, whether the pass itself comes to its end or
the next one has to complete it after a crash.
"""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import get, uniq
from opsd.promotion.controller.decide import NOT_RUN, Observed, Verification
from opsd.promotion.controller.request import ControllerRequest
from opsd.promotion.controller.words import STATUS_OF, Action, Reason, Stage, Status
from opsd.promotion.rollout.words import UNKNOWN
from opsd.promotion.words import Decision

_STDERR_LIMIT = 4000


def begun(request: ControllerRequest, run_id: str, previous: JsonObject | None, now: int) -> JsonObject:
    """A record before anything was evaluated."""
    return {
        "schemaVersion": "v1",
        "timestamp": format_utc(now),
        "category": "promotion_controller_run",
        "mode": request.mode.value,
        "status": "",
        "decision": {"promotionDecision": UNKNOWN, "promotionReasonCodes": [], "failedGates": [], "reasonCodes": []},
        "execution": {
            "plannedAction": Action.PROPOSE.value,
            "action": Action.PROPOSE.value,
            "applyExecuted": False,
            "rollbackExecuted": False,
            "applyIntent": None,
            "expandStep": None,
            "idempotencyKey": request.idempotency_key or None,
            "governance": request.governance.document(),
        },
        "verification": NOT_RUN.document(),
        "context": {
            "traceId": request.trace_id,
            "loopId": request.seam.loop_id,
            "horizonRef": request.seam.horizon_ref,
            "evidenceRefs": list(request.seam.evidence_refs),
        },
        "files": dict(request.files),
        "observed": {
            "hasPreviousState": previous is not None,
            "previousStatus": get(previous, "status"),
            "previousTimestamp": get(previous, "timestamp"),
        },
        "runId": run_id,
    }


def decided(record: JsonObject, request: ControllerRequest, observed: Observed, planned: Action) -> JsonObject:
    """The record of a pass that ends with its decision, and of one that is about to apply."""
    reasons = observed.reasons
    if request.guarded and observed.decision != Decision.PROMOTE:
        reasons = uniq((*reasons, Reason.NOT_PROMOTE))
    decision = {
        "promotionDecision": observed.decision,
        "promotionReasonCodes": observed.listed("reasonCodes"),
        "failedGates": observed.listed("failedGates"),
        "freshness": observed.freshness,
        "budget": observed.budget,
        "reasonCodes": reasons,
    }
    execution = {**record["execution"], "plannedAction": planned.value, "action": planned.value}
    return {**record, "status": STATUS_OF[planned].value, "decision": decision, "execution": execution}


def applying(record: JsonObject, request: ControllerRequest) -> JsonObject:
    """The unfinished record, as if the apply had been done."""
    execution = {
        **record["execution"],
        "applyExecuted": True,
        "applyIntent": request.apply_intent.value,
        "expandStep": request.planned_step,
    }
    return {**record, "execution": execution}


def concluded(record: JsonObject, verification: Verification) -> JsonObject:
    """The final record of a pass that has applied: it stands, or was rolled back because verification failed."""
    document = verification.document()
    if not verification.failed:
        return {**record, "verification": document}
    reasons = uniq((*record["decision"]["reasonCodes"], *document["reasonCodes"], Reason.ROLLBACK))
    return {
        **record,
        "status": STATUS_OF[Action.ROLLBACK].value,
        "decision": {**record["decision"], "reasonCodes": reasons},
        "execution": {**record["execution"], "action": Action.ROLLBACK.value, "rollbackExecuted": True},
        "verification": document,
    }


def interrupted(record: JsonObject) -> JsonObject:
    """The final record of an unfinished pass that has not changed the registry."""
    undone = {"applyExecuted": False, "applyIntent": None, "expandStep": None}
    before = {**record, "execution": {**record["execution"], **undone}}
    return failed(before, Stage.APPLY, 1, "the controller was stopped before the registry was changed")


def failed(
    record: JsonObject, stage: Stage, exit_code: int, output: str, verification: Verification = NOT_RUN
) -> JsonObject:
    """The final record of a pass that a command of ``stage`` has ended. ``output`` is what it printed."""
    before = record["decision"]
    document = verification.document()
    decision = {key: before[key] for key in ("promotionDecision", "promotionReasonCodes", "failedGates")}
    gathered = [reason for key in ("freshness", "budget") for reason in get(before, key, "reasons") or ()]
    decision["reasonCodes"] = uniq((*gathered, *document["reasonCodes"], stage.reason))
    error = {
        "stage": stage.value,
        "reasonCode": stage.reason,
        "exitCode": exit_code,
        "stderr": output.rstrip("\n")[:_STDERR_LIMIT] or None,
    }
    return {
        **record,
        "status": Status.FAILED.value,
        "decision": decision,
        "verification": document,
        "error": error,
    }

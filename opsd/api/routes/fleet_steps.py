"""Routes that take the fleet's steps: a pass, the policy, the handoff's plan, and carrying it out."""

from __future__ import annotations

from functools import partial
from typing import Any

from opsd.access.model import Scope
from opsd.api.failure import FLEET_FILES, ApiError, ErrorCode
from opsd.api.models import fleet as models
from opsd.api.operations import fleet
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT
from opsd.fleet.handoff.dispatch import Order
from opsd.fleet.handoff.execution import acted_on
from opsd.fleet.handoff.words import ExecutionMode
from opsd.loop.outcome import PassOrder
from opsd.runtime.threads import in_own_thread


async def run_policy(call: Call) -> Answer:
    """What ``opsd fleet policy`` does, over the newest fleet state."""
    body: models.PolicyRun = call.body
    settings = call.host.configured()
    work = partial(
        fleet.run_policy,
        call.host.fleet_store(),
        call.trace_id,
        dedupe_window_s=body.dedupeWindowSeconds,
        max_age_s=body.maxFleetStateAgeSeconds,
        skip_empty=settings.skip_empty_executions if body.autopauseSkipEmpty is None else body.autopauseSkipEmpty,
        lock_wait_s=body.lockWaitSeconds,
    )
    return Answer({"policy": await in_own_thread(work)})


async def reconcile(call: Call) -> Answer:
    """What ``opsd fleet reconcile`` does, by the daemon's own passes: never others beside them."""
    body: models.FleetReconcile = call.body
    state = await call.host.reconcile_fleet(
        PassOrder(from_start=body.fromStart, max_events=body.maxEvents),
        call.trace_id,
        pass_wait_s=body.loopTimeoutSeconds,
        lock_wait_s=body.lockWaitSeconds,
    )
    return Answer({"fleet": state})


async def plan(call: Call) -> Answer:
    """What ``opsd fleet handoff`` does without an order: a plan, and nothing carried out."""
    return await _handoff(call, call.body)


async def execute(call: Call) -> Answer:
    """What ``opsd fleet handoff --execute --confirm`` does, for what was selected explicitly."""
    body: models.HandoffExecute = call.body
    if bool(body.loops or body.intentIds) is body.everything:
        raise ApiError(ErrorCode.CONFLICT, "select by loops or intentIds, or say everything: true")
    return await _carry_out(call, body, ExecutionMode.MANUAL, anew=body.anew)


async def dispatch(call: Call) -> Answer:
    """What ``opsd fleet handoff --autonomous-execute`` does, and the daemon by itself after each evaluation."""
    if not call.host.configured().autonomous:
        raise ApiError(ErrorCode.CONFLICT, "fleet.autonomous is off: this host only proposes")
    return await _carry_out(call, call.body, ExecutionMode.AUTONOMOUS)


async def _carry_out(
    call: Call, body: models.HandoffExecute | models.HandoffDispatch, mode: ExecutionMode, *, anew: bool = False
) -> Answer:
    order = Order(mode, call.by, body.note, body.timeoutSeconds, body.intervalSeconds, body.runtimeConfirm)
    chosen = {"loops": tuple(body.loops), "intent_ids": tuple(body.intentIds)}
    return await _handoff(call, body, order=order, anew=anew, **chosen)


async def _handoff(call: Call, body: models.HandoffPlan, **options: Any) -> Answer:
    work = partial(
        fleet.handoff,
        call.host.repo,
        call.host.fleet_store(),
        call.host.dispatch(),
        call.trace_id,
        prefix=body.idempotencyPrefix,
        lock_wait_s=body.lockWaitSeconds,
        **options,
    )
    handoff = await in_own_thread(work)
    for loop in acted_on(handoff):
        call.host.loops.look_again(loop)
    return Answer({"handoff": handoff})


ROUTES = (
    Route(
        "POST",
        "/fleet/reconcile",
        "reconcileFleet",
        "One pass over every loop of the registry, and the fleet's state",
        "fleet",
        reconcile,
        scope=Scope.CONTROL,
        body=models.FleetReconcile,
        members={"fleet": OBJECT},
        errors=FLEET_FILES,
    ),
    Route(
        "POST",
        "/fleet/policy",
        "runPolicy",
        "Evaluate the policy now; executes nothing",
        "fleet",
        run_policy,
        scope=Scope.POLICY,
        body=models.PolicyRun,
        members={"policy": OBJECT},
        errors=FLEET_FILES,
    ),
    Route(
        "POST",
        "/fleet/handoff/plan",
        "planHandoff",
        "Turn candidates into pending intents; executes nothing",
        "fleet",
        plan,
        scope=Scope.POLICY,
        body=models.HandoffPlan,
        members={"handoff": OBJECT},
        errors=FLEET_FILES,
    ),
    Route(
        "POST",
        "/fleet/handoff/execute",
        "executeHandoff",
        "Carry out selected pending intents",
        "fleet",
        execute,
        scope=Scope.CONTROL,
        body=models.HandoffExecute,
        keyed=True,
        members={"handoff": OBJECT},
        errors=FLEET_FILES,
    ),
    Route(
        "POST",
        "/fleet/handoff/dispatch",
        "dispatchHandoff",
        "Carry out what autonomy may carry out, within its rails",
        "fleet",
        dispatch,
        scope=Scope.CONTROL,
        body=models.HandoffDispatch,
        keyed=True,
        members={"handoff": OBJECT},
        errors=FLEET_FILES,
    ),
)

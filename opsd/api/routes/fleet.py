"""Routes about the fleet: what is known, what the policy proposes, carrying it out, and the levers that stop it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from opsd.access.model import Scope
from opsd.api.failure import FILES, ApiError, ErrorCode
from opsd.api.models import fleet as models
from opsd.api.operations import fleet
from opsd.api.own_thread import in_own_thread
from opsd.api.route import Answer, Call, Handler, Route
from opsd.api.schemas import OBJECT, OBJECTS, TEXT_OR_NULL
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.fleet.handoff.dispatch import Order
from opsd.fleet.handoff.execution import acted_on
from opsd.fleet.handoff.words import ExecutionMode
from opsd.fleet.policy.explain import explain
from opsd.loop.outcome import PassOrder
from opsd.promotion.rollout.levers import Lever, pull

_FILES = (*FILES, ErrorCode.REGISTRY_UNUSABLE)


def _document(name: str) -> Handler:
    async def show(call: Call) -> Answer:
        return Answer({name: await call.host.fleet_document(name)})

    return show


async def _policy(call: Call) -> JsonObject:
    return dict(await call.host.fleet_document("policy"))


async def registry(call: Call) -> Answer:
    """What ``opsd fleet registry`` prints."""
    return Answer({"registry": await call.host.in_thread(fleet.registry, call.host.fleet_store())})


async def candidates(call: Call) -> Answer:
    """The policy's candidates, filtered."""
    query: models.CandidatesQuery = call.query
    policy = await _policy(call)
    found = fleet.candidates_of(policy, loop=query.loop, category=query.category, eligible=query.eligible)
    return Answer({"candidates": found, "decidedAt": get(policy, "updatedAt"), "mode": get(policy, "mode")})


async def explanation(call: Call) -> Answer:
    """What ``opsd fleet explain`` prints."""
    query: models.ExplainQuery = call.query
    policy = await _policy(call)
    if not fleet.knows_candidate(policy, query.candidate):
        raise ApiError(ErrorCode.NOT_FOUND, "no such candidate in the policy state")
    return Answer({"explanation": explain(policy, query.candidate)})


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


async def _pull(call: Call, lever: Lever, *, stop: bool) -> Answer:
    found: Mapping[str, object] = await call.host.in_thread(partial(pull, call.host.fleet_store(), lever, stop=stop))
    return Answer({"lever": found})


async def pause(call: Call) -> Answer:
    """Set the manual pause of the rollout."""
    return await _pull(call, Lever.PAUSE, stop=True)


async def resume(call: Call) -> Answer:
    """Take the manual pause back."""
    return await _pull(call, Lever.PAUSE, stop=False)


async def kill_switch(call: Call) -> Answer:
    """Engage or release the kill switch."""
    body: models.KillSwitch = call.body
    return await _pull(call, Lever.KILL_SWITCH, stop=body.engaged)


_LEVER = {"lever": OBJECT}
_LEVER_ERRORS = (ErrorCode.CONFLICT, ErrorCode.REGISTRY_UNUSABLE)

ROUTES = (
    *(
        Route(
            "GET",
            f"/fleet/{name}",
            f"fleet{name.capitalize()}",
            summary,
            "fleet",
            _document(name),
            members={name: OBJECT},
            errors=_FILES,
        )
        for name, summary in (
            ("status", "The fleet in one document, as `opsd fleet status` prints it"),
            ("policy", "The policy's newest state"),
            ("handoff", "The newest handoff plan and execution"),
        )
    ),
    Route(
        "GET",
        "/fleet/registry",
        "fleetRegistry",
        "The registry with every default",
        "fleet",
        registry,
        members={"registry": OBJECT},
        errors=_FILES,
    ),
    Route(
        "GET",
        "/fleet/candidates",
        "fleetCandidates",
        "Who is in trouble, and what may be done",
        "fleet",
        candidates,
        query=models.CandidatesQuery,
        errors=_FILES,
        members={"candidates": OBJECTS, "decidedAt": TEXT_OR_NULL, "mode": TEXT_OR_NULL},
    ),
    Route(
        "GET",
        "/fleet/explain",
        "fleetExplain",
        "Why the policy decided on a candidate as it did",
        "fleet",
        explanation,
        query=models.ExplainQuery,
        members={"explanation": OBJECT},
        errors=_FILES,
    ),
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
        errors=_FILES,
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
        errors=_FILES,
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
        errors=_FILES,
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
        errors=_FILES,
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
        errors=_FILES,
    ),
    Route(
        "POST",
        "/fleet/pause",
        "pauseFleet",
        "Pause all autonomous dispatch",
        "fleet",
        pause,
        scope=Scope.POLICY,
        urgent=True,
        body=models.Lever,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
    Route(
        "POST",
        "/fleet/resume",
        "resumeFleet",
        "End the pause",
        "fleet",
        resume,
        scope=Scope.POLICY,
        body=models.Lever,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
    Route(
        "POST",
        "/fleet/kill-switch",
        "setKillSwitch",
        "Engage or release the kill switch",
        "fleet",
        kill_switch,
        scope=Scope.POLICY,
        urgent=True,
        body=models.KillSwitch,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
)

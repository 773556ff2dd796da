"""Routes about one loop, or the list of them."""

from __future__ import annotations

import asyncio

from opsd.access.authenticate import Extent, authorize
from opsd.access.model import Scope
from opsd.api import models
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.operations import alerts, loops
from opsd.api.route import Answer, Call, Route
from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId
from opsd.control.verdict import ControlRequest, Intent
from opsd.fleet.registry import LoopEntry

_OBJECT = {"type": "object"}
_OBJECTS = {"type": "array", "items": _OBJECT}
#: How long a pass that somebody waits for may take, beside the queue.
_WAIT_S = 180.0


def _entry(call: Call) -> LoopEntry:
    found = call.host.entry(call.path["loop"])
    if found is None:
        raise ApiError(ErrorCode.NOT_FOUND, "no such loop")
    return found


async def list_loops(call: Call) -> Answer:
    """A page of loops that the principal may see."""
    query: models.LoopsQuery = call.query
    seen = [view for view in call.host.loops() if authorize(call.identity, Scope.READ, str(view["loopId"]))]
    page, following = loops.page_of(
        seen, state=query.state, health=query.health, reason=query.reason, limit=query.limit, cursor=query.cursor
    )
    return Answer({"loops": page, "nextCursor": following})


async def show_loop(call: Call) -> Answer:
    """One loop."""
    found = call.host.loop(call.path["loop"])
    if found is None:
        raise ApiError(ErrorCode.NOT_FOUND, "no such loop")
    return Answer({"loop": found})


async def loop_status(call: Call) -> Answer:
    """What ``opsd status`` prints."""
    query: models.StatusQuery = call.query
    return Answer({"status": await call.host.status(_entry(call).loop_id, query.summaryWindow)})


async def loop_events(call: Call) -> Answer:
    """What ``opsd events`` prints, without moving any cursor but the caller's."""
    query: models.EventsQuery = call.query
    found = await call.host.events(_entry(call).loop_id, query.cursor, query.maxEvents, call.trace_id)
    return Answer({"events": found["events"], "cursor": found["cursor"]})


async def loop_escalations(call: Call) -> Answer:
    """The newest escalations."""
    query: models.RowsQuery = call.query
    rows = await call.host.in_thread(loops.escalations, call.host.repo, _entry(call).loop_id, query.limit)
    return Answer({"escalations": rows})


async def loop_telemetry(call: Call) -> Answer:
    """What ``opsd telemetry-summary`` prints."""
    query: models.WindowQuery = call.query
    found = await call.host.in_thread(loops.telemetry, call.host.repo, _entry(call).loop_id, query.window)
    return Answer({"summary": found})


async def reconcile(call: Call) -> Answer:
    """A pass now, by the daemon's own queue: never a second one beside it."""
    body: models.Reconcile = call.body
    loop = _entry(call).loop_id
    waiting = call.host.next_pass(loop) if body.wait else None
    if not call.host.request_reconcile(loop):
        raise ApiError(ErrorCode.NOT_FOUND, "no such loop")
    if waiting is None:
        return Answer({"loopId": loop, "queued": True, "pass": None})
    try:
        async with asyncio.timeout(_WAIT_S):
            ended = await waiting
    except TimeoutError:
        raise ApiError(ErrorCode.BUSY, "the pass did not end in time; it goes on") from None
    document = ended.answer.document if isinstance(ended.answer.document, dict) else None
    told = {"succeeded": ended.answer.succeeded, "traceId": ended.trace_id, "document": document}
    return Answer({"loopId": loop, "queued": True, "pass": told | {"output": ended.answer.output}}, status=200)


async def control(call: Call) -> Answer:
    """Cancel, approve or reject, by the code and the ledger of ``opsd control``."""
    body: models.ControlOrder = call.body
    entry = _entry(call)
    try:
        attempts, backoff_s = entry.retries()
    except UsageError as error:
        raise ApiError(ErrorCode.REGISTRY_UNUSABLE, error.message) from None
    request = ControlRequest(
        repo=call.host.repo,
        loop_id=LoopId(entry.loop_id),
        intent=Intent(body.intent),
        by=call.by,
        note=body.note,
        trace_id=call.trace_id,
        idempotency_key=f"api-{call.by}-{call.idempotency_key}" if call.idempotency_key else f"api-{call.trace_id}",
        confirm=body.confirm,
        timeout_s=body.timeoutSeconds,
        interval_s=body.intervalSeconds,
        retry_attempts=attempts,
        retry_backoff_s=backoff_s,
        transport=entry.transport,
        only_if_active=body.onlyIfActive,
        principal=call.by,
    )
    row, exit_code, said = await loops.in_own_thread(lambda: call.host.control(entry, request))
    if exit_code == 0:
        return Answer({"exitCode": exit_code, "result": row})
    code = ErrorCode.CONTROL_AMBIGUOUS if exit_code == 2 else ErrorCode.CONTROL_FAILED
    message = said or f"{body.intent}: {row.get('status')}"
    raise ApiError(code, message, more={"exitCode": exit_code, "result": row})


async def dead_letters(call: Call) -> Answer:
    """What ``opsd alerts dispatch --list-dead-letters`` prints."""
    host, loop = call.host, _entry(call).loop_id
    return Answer({"deadLetters": await host.in_thread(alerts.dead_letters, alerts.means(host), loop, call.trace_id)})


async def replay_dead_letters(call: Call) -> Answer:
    """What ``opsd alerts dispatch --replay-dead-letters`` does."""
    body: models.Replay = call.body
    host, loop = call.host, _entry(call).loop_id
    means = alerts.means(host)
    state = await loops.in_own_thread(lambda: alerts.replay(means, loop, call.trace_id, body.deliveryId or "all"))
    return Answer({"dispatch": state})


_CURSOR = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_PASS = {"anyOf": [{"type": "object"}, {"type": "null"}]}

ROUTES = (
    Route(
        "GET",
        "/loops",
        "listLoops",
        "Every loop that the principal may see, page by page",
        "loops",
        list_loops,
        reach=Extent.LISTING,
        query=models.LoopsQuery,
        members={"loops": _OBJECTS, "nextCursor": _CURSOR},
    ),
    Route(
        "GET", "/loops/{loop}", "showLoop", "What is known of one loop", "loops", show_loop, members={"loop": _OBJECT}
    ),
    Route(
        "GET",
        "/loops/{loop}/status",
        "loopStatus",
        "The operator status, as `opsd status` prints it",
        "loops",
        loop_status,
        query=models.StatusQuery,
        members={"status": _OBJECT},
        errors=(ErrorCode.CONFLICT, ErrorCode.MANAGER_FILE),
    ),
    Route(
        "GET",
        "/loops/{loop}/events",
        "loopEvents",
        "Events behind a cursor, through the loop's own transport",
        "loops",
        loop_events,
        query=models.EventsQuery,
        members={"events": _OBJECTS, "cursor": _OBJECT},
        errors=(ErrorCode.CONFLICT,),
    ),
    Route(
        "GET",
        "/loops/{loop}/escalations",
        "loopEscalations",
        "The newest escalations, oldest first",
        "loops",
        loop_escalations,
        query=models.RowsQuery,
        members={"escalations": _OBJECTS},
        errors=(ErrorCode.MANAGER_FILE,),
    ),
    Route(
        "GET",
        "/loops/{loop}/telemetry",
        "loopTelemetry",
        "Figures over the newest passes",
        "loops",
        loop_telemetry,
        query=models.WindowQuery,
        members={"summary": _OBJECT},
        errors=(ErrorCode.MANAGER_FILE,),
    ),
    Route(
        "POST",
        "/loops/{loop}/reconcile",
        "reconcileLoop",
        "A pass over the loop now",
        "loops",
        reconcile,
        scope=Scope.CONTROL,
        body=models.Reconcile,
        status=200,
        members={"loopId": {"type": "string"}, "queued": {"type": "boolean"}, "pass": _PASS},
    ),
    Route(
        "POST",
        "/loops/{loop}/control",
        "controlLoop",
        "Cancel, approve or reject, with proof that it took effect",
        "loops",
        control,
        scope=Scope.CONTROL,
        body=models.ControlOrder,
        keyed=True,
        members={"exitCode": {"type": "integer"}, "result": _OBJECT},
        errors=(ErrorCode.CONTROL_AMBIGUOUS, ErrorCode.CONTROL_FAILED, ErrorCode.CONFLICT, ErrorCode.REGISTRY_UNUSABLE),
    ),
    Route(
        "GET",
        "/loops/{loop}/dead-letters",
        "loopDeadLetters",
        "Deliveries of alerts that were given up",
        "alerts",
        dead_letters,
        members={"deadLetters": _OBJECT},
        errors=(ErrorCode.CONFLICT, ErrorCode.MANAGER_FILE),
    ),
    Route(
        "POST",
        "/loops/{loop}/dead-letters/replay",
        "replayDeadLetters",
        "Tell dead letters again, with the same ids",
        "alerts",
        replay_dead_letters,
        scope=Scope.CONTROL,
        body=models.Replay,
        members={"dispatch": _OBJECT},
        errors=(ErrorCode.CONFLICT,),
    ),
)

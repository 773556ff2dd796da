"""What is known of the loops, and what one of them shows of itself: routes that only read."""

from __future__ import annotations

import time

from opsd.access.authenticate import Extent, authorize
from opsd.access.model import Scope
from opsd.api.failure import FILES, ErrorCode, no_such_loop
from opsd.api.loop_ports import ConfirmationQuestion, EventsQuestion
from opsd.api.models import loops as models
from opsd.api.operations import loops
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, OBJECTS, TEXT_OR_NULL
from opsd.contract.timestamps import format_utc
from opsd.control.verdict import Intent
from opsd.loop.health_files import LIMITS, HealthQuestion


async def list_loops(call: Call) -> Answer:
    """A page of loops that the principal may see."""
    query: models.LoopsQuery = call.query
    seen = [view for view in call.host.loops.views() if authorize(call.identity, Scope.READ, str(view["loopId"]))]
    page, following = loops.page_of(
        seen, state=query.state, health=query.health, reason=query.reason, limit=query.limit, cursor=query.cursor
    )
    return Answer({"loops": page, "nextCursor": following})


async def show_loop(call: Call) -> Answer:
    """One loop."""
    found = call.host.loops.view(call.path["loop"])
    if found is None:
        raise no_such_loop()
    return Answer({"loop": found})


async def loop_status(call: Call) -> Answer:
    """What ``opsd status`` prints."""
    query: models.StatusQuery = call.query
    return Answer({"status": await call.host.loops.status(call.entry().loop_id, query.summaryWindow)})


async def loop_health(call: Call) -> Answer:
    """What ``opsd health --repo --loop`` prints."""
    query: models.HealthQuery = call.query
    given = {attribute: getattr(query, name) for name, attribute in LIMITS.items()}
    question = HealthQuestion(
        now=query.now or format_utc(time.time()),
        trace_id=query.traceId,
        ingest_failed=None if query.ingestStatus is None else query.ingestStatus == "failed",
        failure_code=query.failureCode,
        profile=query.thresholdProfile,
        limits={attribute: limit for attribute, limit in given.items() if limit is not None},
    )
    return Answer({"health": await call.host.loops.health(call.entry().loop_id, question)})


async def loop_snapshot(call: Call) -> Answer:
    """What ``opsd snapshot`` prints."""
    query: models.SnapshotQuery = call.query
    return Answer({"snapshot": await call.host.loops.snapshot(call.entry().loop_id, query.runId, query.traceId)})


async def confirmation(call: Call) -> Answer:
    """What ``opsd confirm-intent`` prints."""
    query: models.ConfirmationQuery = call.query
    wanted = ConfirmationQuestion(Intent(query.intent), query.timeoutSeconds, query.intervalSeconds)
    seen = await call.host.loops.confirmation(call.entry().loop_id, wanted, call.trace_id, call.is_gone, by=call.holder)
    return Answer({"confirmation": seen})


async def loop_events(call: Call) -> Answer:
    """What ``opsd events`` prints, without moving any cursor but the caller's."""
    query: models.EventsQuery = call.query
    wanted = EventsQuestion(query.cursor, query.maxEvents, query.anchor, query.skipLine)
    found = await call.host.loops.events(call.entry().loop_id, wanted, query.traceId)
    return Answer({"events": found["events"], "cursor": found["cursor"]})


async def loop_escalations(call: Call) -> Answer:
    """The newest escalations."""
    query: models.RowsQuery = call.query
    rows = await call.host.in_thread(loops.escalations, call.host.repo, call.entry().loop_id, query.limit)
    return Answer({"escalations": rows})


async def loop_telemetry(call: Call) -> Answer:
    """What ``opsd telemetry-summary`` prints."""
    query: models.WindowQuery = call.query
    found = await call.host.in_thread(loops.telemetry, call.host.repo, call.entry().loop_id, query.window)
    return Answer({"summary": found})


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
        members={"loops": OBJECTS, "nextCursor": TEXT_OR_NULL},
    ),
    Route(
        "GET", "/loops/{loop}", "showLoop", "What is known of one loop", "loops", show_loop, members={"loop": OBJECT}
    ),
    Route(
        "GET",
        "/loops/{loop}/status",
        "loopStatus",
        "The operator status, as `opsd status` prints it",
        "loops",
        loop_status,
        query=models.StatusQuery,
        members={"status": OBJECT},
        errors=FILES,
    ),
    Route(
        "GET",
        "/loops/{loop}/health",
        "loopHealth",
        "The health as of now, judged from the files of the loop's passes",
        "loops",
        loop_health,
        query=models.HealthQuery,
        members={"health": OBJECT},
        errors=FILES,
    ),
    Route(
        "GET",
        "/loops/{loop}/snapshot",
        "loopSnapshot",
        "The loop's state as its runtime shows it now, through the loop's own transport",
        "loops",
        loop_snapshot,
        query=models.SnapshotQuery,
        members={"snapshot": OBJECT},
        errors=(ErrorCode.CONFLICT,),
    ),
    Route(
        "GET",
        "/loops/{loop}/confirmation",
        "confirmIntent",
        "Looks at snapshots until they show the effect of an intent, or the time is up",
        "loops",
        confirmation,
        query=models.ConfirmationQuery,
        members={"confirmation": OBJECT},
    ),
    Route(
        "GET",
        "/loops/{loop}/events",
        "loopEvents",
        "Events behind a cursor, through the loop's own transport",
        "loops",
        loop_events,
        query=models.EventsQuery,
        members={"events": OBJECTS, "cursor": OBJECT},
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
        members={"escalations": OBJECTS},
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
        members={"summary": OBJECT},
        errors=(ErrorCode.MANAGER_FILE,),
    ),
)

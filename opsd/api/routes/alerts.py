"""Routes about alerts of the whole fleet: silences, dead letters, sinks."""

from __future__ import annotations

import time

from opsd.access.authenticate import Extent, authorize
from opsd.access.model import Scope
from opsd.alerts.muting.matchers import parse_matchers
from opsd.alerts.muting.silence_book import SilenceBook, shown
from opsd.api.failure import FILES, ApiError, ErrorCode, NotBegunError, no_such_loop
from opsd.api.models import alerts as models
from opsd.api.models.base import Nothing
from opsd.api.operations import alerts
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, OBJECTS
from opsd.contract.errors import LockTimeoutError, UsageError
from opsd.contract.ids import LoopId
from opsd.contract.timestamps import parse_epoch
from opsd.runtime.threads import in_own_thread


async def list_silences(call: Call) -> Answer:
    """What ``opsd alerts silence list`` prints."""
    query: models.SilencesQuery = call.query
    now = time.time()
    book = SilenceBook(call.host.repo)
    found = await call.host.in_thread(lambda: book.listed(now, all_of_them=query.all))
    return Answer({"silences": [shown(one, now) for one in found]})


async def add_silence(call: Call) -> Answer:
    """What ``opsd alerts silence add`` does; created by the principal."""
    body: models.SilenceBody = call.body
    now = time.time()
    starts_at = int(now) if body.startsAt is None else parse_epoch(body.startsAt)
    if starts_at is None:
        raise ApiError(ErrorCode.CONFLICT, "startsAt is no moment")
    matchers = parse_matchers([one.model_dump() for one in body.matchers], "matchers")
    book = SilenceBook(call.host.repo)
    ends_at = starts_at + body.durationSeconds
    try:
        silence = await call.host.in_thread(
            lambda: book.add(matchers, starts_at, ends_at, created_by=call.by, comment=body.comment, now=now)
        )
    except LockTimeoutError as error:
        raise NotBegunError(error.message) from None
    return Answer({"silence": shown(silence, now)})


async def expire_silence(call: Call) -> Answer:
    """What ``opsd alerts silence expire`` does."""
    now = time.time()
    book = SilenceBook(call.host.repo)
    try:
        silence = await call.host.in_thread(book.expire, call.path["silence"], now)
    except UsageError as error:
        raise ApiError(ErrorCode.NOT_FOUND, error.message) from None
    return Answer({"silence": shown(silence, now)})


async def dead_letters(call: Call) -> Answer:
    """The dead letters of every loop that the principal may see."""
    host = call.host
    names = [str(view["loopId"]) for view in host.loops.views()]
    loops = [LoopId(name) for name in names if authorize(call.identity, Scope.READ, name)]
    means = alerts.means(host)
    return Answer({"loops": await in_own_thread(lambda: alerts.all_dead_letters(means, loops, call.trace_id))})


async def sinks(call: Call) -> Answer:
    """The catalog, and how its sinks' targets stand."""
    query: models.SinksQuery = call.query
    return Answer({"sinks": await call.host.in_thread(alerts.sinks, alerts.means(call.host), query.envCheck)})


async def test_sink(call: Call) -> Answer:
    """What ``opsd alerts dispatch --test-sink`` does."""
    body: models.SinkTest = call.body
    host = call.host
    if host.loops.entry(body.loopId) is None:
        raise no_such_loop()
    means, loop, sink = alerts.means(host), LoopId(body.loopId), call.path["sink"]
    return Answer({"test": await in_own_thread(lambda: alerts.test_sink(means, loop, call.trace_id, sink))})


async def alert_route(call: Call) -> Answer:
    """What ``opsd alerts resolve --category`` prints."""
    query: models.RouteQuery = call.query
    means = alerts.means(call.host)
    found = await call.host.in_thread(alerts.route_of, means, query.category, query.severity, query.envCheck)
    return Answer({"route": found})


ROUTES = (
    Route(
        "GET",
        "/alerts/silences",
        "listSilences",
        "What nobody is told for a while",
        "alerts",
        list_silences,
        query=models.SilencesQuery,
        members={"silences": OBJECTS},
        errors=FILES,
    ),
    Route(
        "POST",
        "/alerts/silences",
        "addSilence",
        "Tell nobody of what matches, for a while",
        "alerts",
        add_silence,
        scope=Scope.CONTROL,
        body=models.SilenceBody,
        keyed=True,
        status=201,
        members={"silence": OBJECT},
        errors=FILES,
    ),
    Route(
        "POST",
        "/alerts/silences/{silence}/expire",
        "expireSilence",
        "End a silence now",
        "alerts",
        expire_silence,
        scope=Scope.CONTROL,
        body=Nothing,
        members={"silence": OBJECT},
        errors=FILES,
    ),
    Route(
        "GET",
        "/alerts/dead-letters",
        "listDeadLetters",
        "Deliveries that were given up, of every loop",
        "alerts",
        dead_letters,
        reach=Extent.LISTING,
        members={"loops": OBJECTS},
        errors=FILES,
    ),
    Route(
        "GET",
        "/alerts/sinks",
        "listSinks",
        "The sinks, without secrets, and how they stand",
        "alerts",
        sinks,
        query=models.SinksQuery,
        members={"sinks": OBJECT},
        errors=FILES,
    ),
    Route(
        "POST",
        "/alerts/sinks/{sink}/test",
        "testSink",
        "Send a synthetic event to one sink",
        "alerts",
        test_sink,
        scope=Scope.CONTROL,
        body=models.SinkTest,
        members={"test": OBJECT},
        errors=FILES,
    ),
    Route(
        "GET",
        "/alerts/route",
        "alertRoute",
        "Where escalations of a category go",
        "alerts",
        alert_route,
        query=models.RouteQuery,
        members={"route": OBJECT},
        errors=FILES,
    ),
)

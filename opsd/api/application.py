"""The table as an aiohttp application: authorization, parsing, audit, one execution per key, entity tags.

Guarantees, for every route alike:

* who asks is checked before anything else of the request is looked at;
* what changes something is in the audit before it is done and after, with the principal, and its trace id is in the
  answer; a client that goes away ends its waiting, never what it began;
* an error has one form and a documented code; no stack trace and no path of this code reaches the caller.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from opsd.access.authenticate import Identity, Target
from opsd.api.changes import ChangeKind
from opsd.api.failure import ApiError, ErrorCode, NotBegunError, api_error, file_error
from opsd.api.once import Once, Outcome, RequestPrint
from opsd.api.openapi import openapi_document
from opsd.api.parsing import checked_path, idempotency_key, parse_query, read_body
from opsd.api.ports import Gate, Host
from opsd.api.route import Answer, Call, Route
from opsd.api.shares import Place, Shares
from opsd.api.stream import hold_streams
from opsd.api.taken import taken
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.ids import new_trace_id
from opsd.storage import operations

log = structlog.get_logger("opsd.api")

#: Changes that go on at the same time, whether or not somebody still waits for them.
MAX_RUNNING = 32

_OPEN = Identity("anonymous", frozenset(), ())
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_POLLED = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


class Api:
    """Everything behind :data:`opsd.api.route.PREFIX`.

    Args:
        routes: the table.
        max_requests: so many requests are answered at a time; ``max_streams``: streams.
    """

    def __init__(
        self, routes: Sequence[Route], host: Host, gate: Gate, *, max_requests: int = 64, max_streams: int = 1024
    ) -> None:
        self.routes = tuple(routes)
        self.document = openapi_document(self.routes)
        self._host = host
        self._gate = gate
        self._once = Once(host)
        #: Also for what the listener answers beside this.
        self.shares = Shares(
            {Place.READ: max_requests, Place.CHANGE: min(max_requests, MAX_RUNNING), Place.STREAM: max_streams},
            gate.principals,
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    def mount(self, app: web.Application) -> None:
        """Add every route to an application."""
        hold_streams(app)
        for route in self.routes:
            handler = self._handler(route)
            app.router.add_route(route.method, route.full_path, handler, name=route.name)
            if route.method == "GET":
                app.router.add_route("HEAD", route.full_path, handler)

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answer(route, request)
            except ApiError as error:
                return _json(error.document, error.status, {**_HEADERS, **error.headers})
            except OpsError as error:
                failure = api_error(error)
                return _json(failure.document, failure.status, {**_HEADERS, **failure.headers})
            except OSError as error:
                failure = file_error(error)
                return _json(failure.document, failure.status, {**_HEADERS, **failure.headers})

        return handle

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        identity = _OPEN
        if route.scope is not None:
            is_open = route.open_on_loopback or not route.mutates
            identity = await self._gate.check(request, route.scope, _target(route, request), open_on_loopback=is_open)
        async with self.shares.holding(route.place, identity):
            return await taken(request, await self._answer_to(identity, route, request))

    async def _answer_to(self, identity: Identity, route: Route, request: web.Request) -> web.StreamResponse:
        path = checked_path(request)
        query = parse_query(route.query, request.query)
        trace_id = new_trace_id()
        if not route.mutates:
            call = Call(self._host, self._gate, identity, trace_id, path, query, None, request)
            answer = await route.handler(call)
            return answer if isinstance(answer, web.StreamResponse) else _polled(request, answer.members, route)
        body, document = (None, None) if route.body is None else await read_body(request, route.body)
        key = idempotency_key(request)
        if key and not route.keyed:
            raise ApiError(ErrorCode.INVALID_REQUEST, "header: Idempotency-Key is not taken here")
        call = Call(self._host, self._gate, identity, trace_id, path, query, body, request, key)
        outcome = await asyncio.shield(self._spawn(route.name, self._carry_out(route, call, document)))
        return _json(outcome.body, outcome.status, {**_HEADERS, **outcome.headers})

    def _spawn(self, name: str, work: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        """What a client that goes away does not end; the listener waits for it at its stop. ``work`` never raises."""
        task = asyncio.create_task(work, name=f"api:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, within_s: float) -> None:
        """Wait for what was begun; what takes longer is completed by the next control's look at the ledger."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def _carry_out(self, route: Route, call: Call, document: object) -> Outcome:
        """Status and body of a request that changes something; never an exception, for nobody may be left to see it."""
        names = {"principal": call.identity.name, "trace": call.trace_id}
        with structlog.contextvars.bound_contextvars(**names):
            try:
                if not call.idempotency_key:
                    outcome = await self._audited(route, call, document)
                    return _told(outcome, replayed=False) if route.keyed else outcome
                bound = RequestPrint(route.name, call.path, document)
                outcome, replayed = await self._once.run(
                    call.identity.name, call.idempotency_key, bound, lambda: self._audited(route, call, document)
                )
                return _told(outcome, replayed=replayed)
            except ApiError as error:
                failure = error
            except OpsError as error:
                failure = api_error(error)
            except Exception as error:
                if isinstance(error, OSError) and error.filename is not None:
                    failure = file_error(error)
                else:
                    log.exception("api.failed", action=route.name)
                    failure = ApiError(ErrorCode.INTERNAL_ERROR, "it could not be carried out; see the daemon's log")
            return _refusal(failure, call)

    async def _audited(self, route: Route, call: Call, document: object) -> Outcome:
        store, host = self._host.fleet_store(), self._host
        who = (call.identity.name, call.identity.credential, call.trace_id)
        before = operations.requested(route.name, *who, call.path, document, time.time())
        await host.in_thread(operations.write, store, before)
        log.info("api.requested", action=route.name, **call.path)
        code: str | None = ErrorCode.INTERNAL_ERROR
        status = 500
        try:
            outcome, code = await _outcome(route, call)
            status = outcome.status
            return outcome
        finally:
            after = operations.ended(route.name, *who, status, code, time.time())
            log.info("api.ended", action=route.name, status=status, code=code)
            host.changes.publish(
                ChangeKind.OPERATION,
                {"action": route.name, "principal": call.identity.name, "status": status, **call.path},
                loop=call.path.get("loop"),
            )
            try:
                await host.in_thread(operations.write, store, after)
            except OpsError as error:  # it was done: the answer is true, and the row before says who wanted it
                log.error("api.audit_incomplete", message=error.message)


async def _outcome(route: Route, call: Call) -> tuple[Outcome, str | None]:
    try:
        answer = await route.handler(call)
    except ApiError as error:
        return _refusal(error, call), error.code
    except OpsError as error:
        failure = api_error(error)
        return _refusal(failure, call), failure.code
    except OSError as error:
        failure = file_error(error)
        return _refusal(failure, call), failure.code
    if not isinstance(answer, Answer):
        raise TypeError(f"{route.name} changes something and does not answer JSON")
    return Outcome(route.status, {"ok": True, **answer.members, "traceId": call.trace_id}), None


def _refusal(error: ApiError, call: Call) -> Outcome:
    document = {**error.document, "traceId": call.trace_id}
    return Outcome(error.status, document, error.headers, begun=not isinstance(error, NotBegunError))


def _told(outcome: Outcome, *, replayed: bool) -> Outcome:
    return replace(outcome, body={**outcome.body, "replayed": replayed})


def _target(route: Route, request: web.Request) -> Target:
    return request.match_info["loop"] if "{loop}" in route.path else route.reach


def _polled(request: web.Request, members: Mapping[str, object], route: Route) -> web.Response:
    value = members[route.bare] if route.bare else {"ok": True, **members}
    body = jsoncodec.dumps(value) + b"\n"
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_POLLED, "ETag": tag}
    known = ",".join(request.headers.getall("If-None-Match", ())).split(",")
    if not {tag, "*"}.isdisjoint(candidate.strip().removeprefix("W/") for candidate in known):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _json(value: object, status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        body=jsoncodec.dumps(value) + b"\n", status=status, content_type="application/json", headers=headers
    )

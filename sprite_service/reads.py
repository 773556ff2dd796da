"""What is told of loops: which there are, a snapshot, events page by page or as a stream (contract 30, 6.4 and 6.5)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web

from opsd.access.authenticate import authorize
from opsd.access.model import Scope
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.runtime.discovery import list_loops
from opsd.runtime.reader import PollResult
from opsd.runtime.watcher import JournalWatcher
from sprite_service import answers
from sprite_service.access import Access, Caller, Handler
from sprite_service.answers import json_bytes, json_response
from sprite_service.config import Config
from sprite_service.loops import Loops
from sprite_service.stream import MAX_STREAM_S, EventStreams, StreamQuery


class LoopReads:
    """The handlers of what only reads. Each asks whether the caller may read the loop that it names."""

    def __init__(
        self, config: Config, loops: Loops, watcher: JournalWatcher, streams: EventStreams, access: Access
    ) -> None:
        self._config = config
        self._loops = loops
        self._watcher = watcher
        self._streams = streams
        self._access = access

    def handlers(self) -> Mapping[str, Handler]:
        """By the path that each answers."""
        return {
            "/ops/loops": self._list,
            "/ops/snapshot": self._snapshot,
            "/ops/events": self._events,
            "/ops/events/stream": self._stream,
        }

    async def _list(self, _request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        found = await self._loops.in_thread(lambda: list_loops(self._config.repo))
        seen = [{"loopId": loop_id} for loop_id in found if authorize(caller.identity, Scope.READ, loop_id)]
        body = {"ok": True, "schemaVersion": "v1", "loops": seen}
        return json_response(body)

    async def _snapshot(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        loop_id = answers.loop_id_of(request.rel_url)
        caller.require(Scope.READ, loop_id)
        known = self._loops.known_snapshot(loop_id, caller.trace_id)
        return json_bytes(await self._loops.snapshot(loop_id, caller.trace_id) if known is None else known)

    async def _events(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        query, trace_id = request.query, caller.trace_id
        loop_id = answers.loop_id(query)
        caller.require(Scope.READ, loop_id)
        offset, limit = answers.count(query, "cursor"), answers.count(query, "maxEvents")
        skip_line = answers.count(query, "skipLine") or None
        wait_s = answers.seconds(query, "wait", self._config.limits.max_wait_s)

        def render(page: PollResult) -> bytes:
            return jsoncodec.dumps(self._events_body(loop_id, page, trace_id))

        async def poll() -> tuple[PollResult, bytes]:
            return await self._loops.poll(
                loop_id, offset=offset, max_events=limit, trace_id=trace_id, render=render, skip_line=skip_line
            )

        page, body = await poll()
        if page.events or not wait_s:
            return json_bytes(body)
        deadline = time.monotonic() + wait_s
        subscription = self._watcher.subscribe(self._config.repo, loop_id)
        try:
            page, body = await poll()  # what came between the look and the subscription
            while not page.events and not self._streams.ending.is_set():
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not await subscription.wait(left_s):
                    break
                page, body = await poll()
        finally:
            subscription.close()
        return json_bytes(body)

    def _events_body(self, loop_id: str, page: PollResult, trace_id: str | None) -> JsonObject:
        head: JsonObject = {"ok": True, "schemaVersion": "v1"}
        if trace_id is not None:
            head["traceId"] = trace_id
        return {
            **head,
            "source": {"repoPath": self._config.repo, "loopId": loop_id},
            "events": page.events,
            "cursor": {
                "eventLineOffset": page.offset,
                "eventLineCount": page.line_count,
                "updatedAt": format_utc(time.time()),
            },
        }

    async def _stream(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        loop_id = answers.loop_id(request.query)
        caller.require(Scope.READ, loop_id)
        cursor = answers.count(request.query, "cursor")  # looked at also where the header wins
        if request.headers.get("Last-Event-ID", "").strip():
            cursor = answers.count({"cursor": request.headers["Last-Event-ID"].strip()}, "cursor")

        def may_go_on() -> bool:
            return self._access.still(caller.identity, Scope.READ, loop_id)

        query = StreamQuery(
            loop_id,
            offset=cursor,
            max_events=answers.count(request.query, "maxEvents"),
            for_s=answers.duration(request.query, "forSeconds", MAX_STREAM_S),
        )
        return await self._streams.serve(request, query, caller.trace_id, may_go_on=may_go_on)

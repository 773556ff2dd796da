"""What the API reads of a loop itself, not of the manager's files: snapshot, events, the effect of an intent.

A loop of this host is read in place, by a reader that is kept while it is used; one behind a sprite service is asked,
with the registry's retries. What a service answers is checked before anybody believes it. Lives on the event loop's
thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opsd.api.loop_ports import ConfirmationQuestion, EventsQuestion
from opsd.contract.checks import check_events, check_snapshot
from opsd.contract.errors import ArtifactError, BusyError, OpsError, UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object
from opsd.control.confirm import StopLooking, TakeSnapshot, confirm
from opsd.control.local import chosen_taker
from opsd.loop.records import cursor_document
from opsd.runtime.process import Ending
from opsd.runtime.reader import LoopReader
from opsd.runtime.readers import Readers
from opsd.runtime.threads import InThread, in_own_thread
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.transport.base import EnvelopeBatch, IngestCursor, Observation, ObservationQuery
from opsd.transport.local import LocalTransport
from opsd.transport.sprite_service import SpriteServiceTransport

#: Readers that are kept, and looks for an effect at a time; each may last for minutes.
MAX_READERS = 32
MAX_LOOKS = 16
#: Those of one principal.
MAX_LOOKS_EACH = MAX_LOOKS // 2
#: Requests at a time that wait for one loop's sprite service: one that does not answer costs no more places.
MAX_ASKING = 4
#: A program that takes snapshots in our place has so many seconds, however short the look for an effect is.
_LEAST_LOOK_S = 10
#: Lines of a journal that make a page, however many events were asked for.
MAX_PAGE_BYTES = 8 * 1024 * 1024


class LoopReads:
    """Reads for requests.

    Args:
        max_line_bytes: longest line of a journal.
        pause: sleeps in a thread; raises :class:`StopLooking` when the daemon ends.
    """

    def __init__(
        self,
        repo: str,
        env: Mapping[str, str],
        in_thread: InThread,
        *,
        max_line_bytes: int,
        pause: Callable[[float], None],
    ) -> None:
        self._repo = repo
        self._env = env
        self._readers = Readers(repo, in_thread, max_cached=MAX_READERS, max_line_bytes=max_line_bytes)
        self._pause = pause
        #: By who wants them.
        self._looks: Counter[str] = Counter()
        self._ending = Ending()
        self._asking: Counter[str] = Counter()

    def stop(self) -> None:
        """End programs that look at loops in our place."""
        self._ending.begin()

    async def snapshot(self, loop: ManagedLoop, run_id: str | None, trace_id: str | None) -> JsonObject:
        """The snapshot envelope; ``run_id`` is reported instead of the inferred one.

        Raises:
            BusyError: too many wait for the loop's sprite service.
            OpsError: there is none, or none that can be used.
        """
        transport = loop.transport
        if isinstance(transport, LocalTransport):
            now = format_utc(time.time())

            def read(reader: LoopReader) -> JsonObject:
                return dict(reader.snapshot(now=now, trace_id=trace_id, run_id=run_id))

            return await self._readers.use(loop.entry.loop_id, read)
        with self._may_ask(loop):
            found = await _sprite_snapshot(loop, transport, trace_id)
        return found if not run_id else {**found, "run": {**as_object(found.get("run")), "runId": run_id}}

    async def events(self, loop: ManagedLoop, question: EventsQuestion, trace_id: str | None) -> JsonObject:
        """Events behind a line offset, and the cursor document that acknowledges them: ``events`` and ``cursor``.

        Raises:
            BusyError: too many wait for the loop's sprite service.
            OpsError: the loop cannot be read from there.
        """
        transport = loop.transport
        if isinstance(transport, LocalTransport):
            now = format_utc(time.time())

            def read(reader: LoopReader) -> JsonObject:
                page = reader.poll(
                    offset=question.cursor,
                    max_events=question.most,
                    now=now,
                    trace_id=trace_id,
                    anchor=question.anchor,
                    skip_line=question.skip_line,
                    max_bytes=MAX_PAGE_BYTES,
                )
                return self._page(loop, page.events, IngestCursor(page.offset, page.line_count, page.anchor), question)

            return await self._readers.use(loop.entry.loop_id, read)
        if question.anchor is not None:
            raise UsageError("a sprite service does not compare an anchor with its journal: begin at the first line")
        with self._may_ask(loop):
            seen = _believed(await transport.poll(_query(loop, trace_id, question)))
        events = list(seen.events.envelopes) if isinstance(seen.events, EnvelopeBatch) else []
        check_events(events, loop.name)
        cursor = seen.cursor
        if cursor is None or len(events) > question.most or not question.cursor <= cursor.offset <= cursor.line_count:
            raise ArtifactError("the sprite service answered other events than were asked for")
        return self._page(loop, events, cursor, question)

    @contextmanager
    def _may_ask(self, loop: ManagedLoop) -> Iterator[None]:
        name = str(loop.name)
        if self._asking[name] >= MAX_ASKING:
            raise BusyError("too many requests wait for this loop's sprite service")
        self._asking[name] += 1
        try:
            yield
        finally:
            self._asking[name] -= 1
            if not self._asking[name]:
                del self._asking[name]

    def _page(self, loop: ManagedLoop, events: object, cursor: IngestCursor, question: EventsQuestion) -> JsonObject:
        document = cursor_document(self._repo, loop.name, cursor, format_utc(time.time()))
        return {
            "events": events,
            "cursor": document if question.skip_line is None else {**document, "skippedLine": question.skip_line},
        }

    async def confirmation(
        self, loop: ManagedLoop, question: ConfirmationQuestion, trace_id: str, gone: Callable[[], bool], *, by: str
    ) -> JsonObject:
        """Look at snapshots until they show the effect of an intent: what ``opsd confirm-intent`` prints.

        Args:
            gone: nobody waits for the answer any more.
            by: who wants it, and leaves places to others; empty: anybody.

        Raises:
            BusyError: too many look at a time, in all or for ``by``.
        """
        if by and self._looks[by] >= MAX_LOOKS_EACH:
            raise BusyError("too many looks for effects of one principal at a time")
        if self._looks.total() >= MAX_LOOKS:
            raise BusyError("too many look for effects at a time")
        take = self._taker(loop, trace_id, max(question.timeout_s, _LEAST_LOOK_S))

        def pause(seconds: float) -> None:
            self._pause(seconds)
            if gone():
                raise StopLooking

        def look() -> JsonObject:
            with self._ending.ends():
                return confirm(
                    question.intent, take, timeout_s=question.timeout_s, interval_s=question.interval_s, sleep=pause
                )

        self._looks[by] += 1
        try:
            return await in_own_thread(look)
        finally:
            self._looks[by] -= 1
            if not self._looks[by]:
                del self._looks[by]

    def _taker(self, loop: ManagedLoop, trace_id: str, timeout_s: float) -> TakeSnapshot:
        transport = loop.transport
        if isinstance(transport, LocalTransport):
            return chosen_taker(self._env, self._repo, loop.entry.loop_id, timeout_s=timeout_s)
        events = asyncio.get_running_loop()

        async def look() -> JsonObject | None:
            try:
                return await _sprite_snapshot(loop, transport, trace_id)
            except OpsError:
                return None

        return lambda: asyncio.run_coroutine_threadsafe(look(), events).result()


def _query(loop: ManagedLoop, trace_id: str | None, wanted: EventsQuestion | None = None) -> ObservationQuery:
    settings = loop.reconciler.settings
    return ObservationQuery(
        cursor=0 if wanted is None else wanted.cursor,
        trace_id=trace_id or new_trace_id(),
        max_events=0 if wanted is None else wanted.most,
        skip_line=None if wanted is None else wanted.skip_line,
        retry_attempts=settings.retry_attempts,
        retry_backoff_s=settings.retry_backoff_s,
    )


async def _sprite_snapshot(loop: ManagedLoop, transport: SpriteServiceTransport, trace_id: str | None) -> JsonObject:
    seen = _believed(await transport.snapshot(_query(loop, trace_id)))
    return check_snapshot(seen.snapshot, loop.name)


def _believed(seen: Observation) -> Observation:
    """What a service answered.

    Raises:
        ArtifactError: nothing that can be used, and why.
    """
    if seen.failure is not None:
        raise ArtifactError(seen.failure.message.removeprefix("error: "))
    return seen

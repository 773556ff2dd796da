"""The local transport: the runtime's files, read in place (contract 20, 3.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from opsd.contract.errors import OpsError, file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.contract.timestamps import format_utc
from opsd.contract.values import last_lines
from opsd.runtime.reader import LoopReader
from opsd.transport.base import IngestCursor, IngestFailure, Observation, ObservationQuery


class JournalBatch:
    """Events that this process read from the journal itself: checked line by line as they were read."""

    def __init__(self, numbers: Sequence[int], last: JsonObject | None) -> None:
        self.sequences = numbers
        self.last = last

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sequences)

    def check(self, loop_id: str) -> None:
        """Nothing to refuse: the envelopes' loop and type are ours."""


class LocalTransport:
    """Observes one loop through its :class:`LoopReader`."""

    kind = TransportKind.LOCAL

    def __init__(self, reader: LoopReader, *, clock: Callable[[], float] = time.time) -> None:
        self._reader = reader
        self._clock = clock

    def observe(self, query: ObservationQuery) -> Observation:
        """Snapshot, then the events behind the cursor; blocking file work."""
        now = format_utc(self._clock())
        try:
            snapshot = self._reader.snapshot(now=now, trace_id=query.trace_id)
        except OpsError as error:
            return _failed(FailureCode.SNAPSHOT_UNAVAILABLE, error.message)
        except OSError as error:
            return _failed(FailureCode.SNAPSHOT_UNAVAILABLE, file_trouble(error, "read"))
        if query.cursor_error is not None:
            return _failed(FailureCode.EVENTS_UNAVAILABLE, query.cursor_error)
        try:
            found = self._reader.ingest(
                offset=query.cursor,
                max_events=query.max_events,
                now=now,
                trace_id=query.trace_id,
                anchor=query.anchor,
                skip_line=query.skip_line,
            )
        except OpsError as error:
            return _failed(FailureCode.EVENTS_UNAVAILABLE, error.message)
        except OSError as error:
            return _failed(FailureCode.EVENTS_UNAVAILABLE, file_trouble(error, "read"))
        last = None if found.last is None else dict(found.last)
        cursor = IngestCursor(found.offset, found.line_count, found.anchor)
        return Observation(dict(snapshot), JournalBatch(found.numbers, last), cursor)


def _failed(code: FailureCode, message: str) -> Observation:
    return Observation(failure=IngestFailure(code, last_lines(f"error: {message}")))

"""The local transport: the runtime's files, read in place (contract 20, 3.1)."""

from __future__ import annotations

import time
from collections.abc import Callable

from opsd.contract.errors import OpsError
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.contract.timestamps import format_utc
from opsd.contract.values import last_lines
from opsd.runtime.reader import LoopReader
from opsd.transport.base import IngestCursor, IngestFailure, Observation, ObservationQuery


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
            return _failed(FailureCode.SNAPSHOT_UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
        if query.cursor_error is not None:
            return _failed(FailureCode.EVENTS_UNAVAILABLE, query.cursor_error)
        try:
            polled = self._reader.poll(
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
            return _failed(FailureCode.EVENTS_UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
        cursor = IngestCursor(polled.offset, polled.line_count, polled.anchor)
        return Observation(dict(snapshot), polled.events, cursor)


def _failed(code: FailureCode, message: str) -> Observation:
    return Observation(failure=IngestFailure(code, last_lines(f"error: {message}")))

"""What every transport answers: one observation of one loop (contract 20, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import FailureCode, TransportKind


@dataclass(frozen=True, slots=True)
class ObservationQuery:
    """What one pass asks for.

    ``cursor`` is the line offset to read behind (0 with ``from_start``); ``anchor`` the digest of the line there,
    when known; ``cursor_error`` says why the stored cursor cannot be used, which fails a local poll
    (contract 20, 6). ``max_events`` 0 means all. Retries count for the sprite service only.
    """

    cursor: int
    trace_id: str
    max_events: int = 0
    from_start: bool = False
    anchor: str | None = None
    cursor_error: str | None = None
    skip_line: int | None = None
    retry_attempts: int = 3
    retry_backoff_s: float = 1.0


@dataclass(frozen=True, slots=True)
class IngestFailure:
    """Why nothing usable came: the contract's code and a bounded message without secrets."""

    code: FailureCode
    message: str


@dataclass(frozen=True, slots=True)
class IngestCursor:
    """Where the next poll starts, the lines there were, and the digest of the line reached (None at 0)."""

    offset: int
    line_count: int
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a transport saw. On failure ``events`` are those that had been obtained by then (they are counted)."""

    snapshot: JsonObject | None = None
    events: Sequence[JsonObject | Any] = field(default_factory=tuple)
    cursor: IngestCursor | None = None
    failure: IngestFailure | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A stream says that the journal has reached line ``offset``."""

    offset: int


class BlockingTransport(Protocol):
    """A transport whose work is file work: the caller runs it in a worker thread."""

    kind: TransportKind

    def observe(self, query: ObservationQuery) -> Observation:
        """One observation; failures are values, not exceptions."""
        ...


class AsyncTransport(Protocol):
    """A transport whose work is network work."""

    kind: TransportKind

    async def observe(self, query: ObservationQuery) -> Observation:
        """One observation; failures are values, not exceptions."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


Transport = BlockingTransport | AsyncTransport

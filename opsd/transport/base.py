"""What every transport answers: one observation of one loop (contract 20, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opsd.contract.checks import check_events
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.contract.values import get


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


class EventBatch(Protocol):
    """The new events of one observation, as far as a pass needs them: never all envelopes at once."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def sequences(self) -> Sequence[Any]:
        """``sequence.value`` of each, in order, as found."""
        ...

    @property
    def last(self) -> JsonObject | None:
        """The last envelope, None without any."""
        ...

    def check(self, loop_id: str) -> None:
        """Refuse what is not an event of this loop.

        Raises:
            ProjectionError: contract 10, 4.2.
        """
        ...


class EnvelopeBatch:
    """Envelopes that somebody else made: nothing about them is certain until they are checked."""

    def __init__(self, envelopes: Sequence[Any] = ()) -> None:
        self.envelopes = envelopes

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.envelopes)

    @property
    def sequences(self) -> Sequence[Any]:
        """``sequence.value`` of each, in order, as found."""
        return [get(envelope, "sequence", "value") for envelope in self.envelopes]

    @property
    def last(self) -> JsonObject | None:
        """The last envelope, None without any."""
        return self.envelopes[-1] if self.envelopes else None

    def check(self, loop_id: str) -> None:
        """Every envelope must be an event of this loop with a name."""
        check_events(self.envelopes, loop_id)


NO_EVENTS = EnvelopeBatch()


@dataclass(frozen=True, slots=True)
class Observation:
    """What a transport saw. On failure ``events`` are those that had been obtained by then (they are counted)."""

    snapshot: JsonObject | None = None
    events: EventBatch = NO_EVENTS
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

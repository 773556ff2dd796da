"""What goes into a pass beside its observation, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.loop.thresholds import Thresholds
from opsd.loop.tuning import TuningSettings
from opsd.storage.layout import Part
from opsd.storage.model import Commit, Document, RowLog
from opsd.transport.base import IngestFailure


@dataclass(frozen=True, slots=True)
class PassSettings:
    """How one loop is judged; constant between configuration changes.

    ``retry_backoff_s`` in seconds; ``locations`` are the store's names of its parts, quoted in escalation rows.
    """

    repo: str
    loop_id: str
    transport: TransportKind
    thresholds: Thresholds
    locations: dict[Part, str]
    max_events: int = 0
    from_start: bool = False
    retry_attempts: int = 3
    retry_backoff_s: int = 1
    skip_line: int | None = None
    reage_heartbeat: bool = False
    spare_finished: bool = False
    judge_liveness: bool = False
    tuning: TuningSettings | None = None


@dataclass(frozen=True, slots=True)
class PassOrder:
    """What an operator wants of one pass, beside the settings of all passes.

    ``max_events`` 0: as many as the settings permit, which never are exceeded.
    """

    from_start: bool = False
    max_events: int = 0
    skip_line: int | None = None

    def applied(self, settings: PassSettings) -> PassSettings:
        """The settings of that pass."""
        limits = [limit for limit in (self.max_events, settings.max_events) if limit]
        return replace(
            settings, from_start=self.from_start, max_events=min(limits, default=0), skip_line=self.skip_line
        )


@dataclass(frozen=True, slots=True)
class PassTime:
    """Moments of one pass in seconds since 1970, and its duration by a clock that does not jump."""

    started_at: float
    now: float
    duration_s: float


@dataclass(slots=True)
class Outcome:
    """What one pass concluded.

    ``document`` is what the command prints: the state on success, the health object on failure. ``error`` names a
    damaged manager file that the pass could not work without; health and telemetry are committed all the same.
    ``cursor_offset`` is the line up to which events are ingested. ``notes`` are facts for the log that change nothing.
    """

    commit: Commit
    document: JsonObject
    health: JsonObject
    state: JsonObject | None
    failure: IngestFailure | None
    events_ingested: int
    cursor_offset: int
    escalations: list[JsonObject]
    error: str | None = None
    notes: list[tuple[str, JsonObject]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TunedOutcome:
    """An outcome, and what the tuning stage adds to it."""

    outcome: Outcome
    extra: Commit

    def merged(self) -> Outcome:
        """One outcome with one commit, in which each document is written once, in its final form."""
        outcome, extra = self.outcome, self.extra
        added = dict(extra.documents)
        state = added.pop(Document.STATE, None)
        commit = outcome.commit
        commit.documents = [
            (document, state if state is not None and document is Document.STATE else value)
            for document, value in [*added.items(), *commit.documents]
        ]
        raised = [row for log, row in extra.rows if log is RowLog.ESCALATIONS]
        others = [(log, row) for log, row in extra.rows if log is not RowLog.ESCALATIONS]
        commit.rows = [(RowLog.ESCALATIONS, row) for row in (*outcome.escalations, *raised)] + [
            (log, row) for log, row in (*commit.rows, *others) if log is not RowLog.ESCALATIONS
        ]
        outcome.escalations = [*outcome.escalations, *raised]
        if state is not None:
            outcome.document = state if outcome.document is outcome.state else outcome.document
            outcome.state = state
        return outcome

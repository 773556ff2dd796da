"""One run of the dispatcher over one loop: what it knows, from the lock to the published state (contract 50, 4 and 12).

The same run serves the one-shot command, the pass inside reconcile and the daemon's delivery worker. This module holds
its memory; the steps are modules of their own: :mod:`~opsd.alerts.run.intake`, :mod:`~opsd.alerts.run.sending`,
:mod:`~opsd.alerts.run.reporting`, :mod:`~opsd.alerts.run.conclusion`. All of it blocks, and is called one step at a
time.

The order of the writes is the crash story. An entry is in the journal before its first request leaves; the outcome is
there before anything else depends on it; a dead letter stands before the journal says so. At the end come telemetry,
ledger, state (whose offset never passes a row that is not journalled), and only then is the journal compacted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opsd.alerts.decide import Surroundings
from opsd.alerts.records.incidents import (
    Ledger,
    forget_old,
    ledger_json,
    parse_ledger,
    record_repeat,
    record_resolved,
    record_told,
)
from opsd.alerts.records.outbox import Delivery, Entry, Origin, compacted, fold, has_told
from opsd.alerts.records.state import (
    Counters,
    previous_offset,
    previous_position,
    refuse_lost_state,
    state_document,
)
from opsd.alerts.records.telemetry import Run
from opsd.alerts.run.means import Means
from opsd.alerts.run.row_order import RowOrder
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.storage.alert_store import Position

#: Attempts of one delivery within one run (50, R3).
MAX_ATTEMPTS_IN_RUN = 3


class OffsetAheadError(OpsError):
    """The stored offset lies beyond the escalations file (50, 4.3)."""

    default_code = "offset_ahead"


@dataclass(slots=True)
class DispatchRun:
    """A run under the loop's dispatch lock.

    Args:
        max_rows: new rows at most, 0 for all.
        lanes: deliveries that are not over, by sink id, in the order in which they may start.
        lane_waits, lane_refusals: until when a sink's target is left alone, and why, by sink id.
        in_flight: when a request left, by delivery id.
        rows: the new rows of this run in their order.
        is_closing: nothing more is begun.
    """

    means: Means
    repo: str
    loop_id: str
    trace_id: str
    max_rows: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    lanes: dict[str, list[tuple[Entry, Delivery]]] = field(default_factory=dict)
    lane_waits: dict[str, float] = field(default_factory=dict)
    lane_refusals: dict[str, str] = field(default_factory=dict)
    in_flight: dict[str, float] = field(default_factory=dict)
    rows: RowOrder = field(default_factory=RowOrder)
    ledger: Ledger = field(default_factory=Ledger)
    stored_ledger: JsonObject = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    offset: int = 0
    line_count: int = 0
    position: Position | None = None
    deadline: float = 0.0
    published_at: float = 0.0
    no_source: bool = False
    is_closing: bool = False
    _offset_before: int = 0

    def begin(self, *, from_start: bool = False) -> None:
        """Read state, journal and ledger; ``from_start`` forgets how far the escalations were read.

        Raises:
            ManagerFileError: the state is no JSON object, or was emptied behind the journal's back.
        """
        store = self.means.store
        store.prepare()
        state = {} if from_start else store.read_state()
        self.stored_ledger = store.read_incidents()
        self.ledger = parse_ledger(self.stored_ledger)
        if state is None and store.state_is_empty():
            refuse_lost_state(self.ledger.last_line, store.paths.state)
        self.offset = self.line_count = self._offset_before = previous_offset(state or {})
        self.position = previous_position(state or {})
        for entry in fold(store.read_outbox()).values():
            entry.backlog = True  # what the state has not passed yet is taken in again, as this run's own
            self.add(entry)
        for entry in self.entries.values():
            self.recall(entry)
        self.published_at = self.means.clock()
        self.deadline = self.published_at + self.means.budget_s

    def latest_start(self, now: float) -> float:
        """An attempt that may only begin later than this is not waited for."""
        if self.is_closing:
            return float("-inf")
        return now + self.means.budget_s if self.means.long_lived else self.deadline

    def next_report_at(self, now: float) -> float:
        """When the next telemetry row is due whatever its sinks do; at the latest one budget from now."""
        due = [entry.report_by for entry in self.entries.values() if not entry.reported and entry.release_at <= now]
        return min(due, default=now + self.means.budget_s)

    def recall(self, entry: Entry) -> None:
        """What an interrupted run began to tell is known, also where the ledger does not say so yet."""
        incident = self.ledger.open.get(entry.incident)
        if incident is not None and incident.opened_at <= entry.received_at:
            if entry.origin is Origin.RESOLVE:
                record_resolved(self.ledger, incident, now=entry.received_at)
            elif entry.origin in (Origin.REPEAT, Origin.RELEASED) and incident.told_at < entry.received_at:
                record_repeat(incident, now=entry.received_at)
        for delivery in entry.deliveries:
            if has_told(entry, delivery):
                at = delivery.last_attempt_at or entry.received_at
                for each in self.told_by(entry):
                    record_told(self.ledger, each.incident, delivery.view, delivery.dedup_key, delivery.id, now=at)

    def recall_end(self, row: Entry) -> None:
        """A row that is taken in again opens no incident whose end an interrupted run has begun to tell."""
        for entry in self.entries.values():
            if (
                entry.origin is Origin.RESOLVE
                and entry.incident == row.incident
                and entry.received_at >= row.received_at
            ):
                self.recall(entry)

    def members(self, leader: Entry) -> list[Entry]:
        """The rows that a grouped notification tells beside its first."""
        return [entry for entry in self.entries.values() if entry.leader == leader.id] if leader.group else []

    def told_by(self, entry: Entry) -> list[Entry]:
        """The entries that an entry's notification tells: itself, and the members of its group."""
        return [entry, *self.members(entry)]

    def add(self, entry: Entry) -> None:
        """Take up an entry; its deliveries go to the end of their lanes."""
        self.entries[entry.id] = entry
        for delivery in entry.deliveries:
            self.deliveries[delivery.id] = delivery
        self.line_up(entry)

    def line_up(self, entry: Entry) -> None:
        """Put an entry's pending deliveries into their lanes."""
        for delivery in entry.pending:
            self.lanes.setdefault(delivery.sink_id, []).append((entry, delivery))

    def may_begin(self, entry: Entry, now: float) -> bool:
        """Whether an entry's turn among the new rows has come."""
        under_way = {self.deliveries[identity].sink_id: since for identity, since in self.in_flight.items()}
        return self.rows.may_begin(entry, under_way, self.lane_waits, now)

    def refusal(self, delivery: Delivery) -> str | None:
        """Why a delivery waits although it is due: its target is left alone for now. None when it does not."""
        waits = self.lane_waits.get(delivery.sink_id, 0.0) > self.means.clock()
        return self.lane_refusals.get(delivery.sink_id) if waits else None

    def waiting_sinks(self) -> list[str]:
        """Sinks with deliveries that are not over."""
        return [sink_id for sink_id, lane in self.lanes.items() if lane]

    def surroundings(self) -> Surroundings:
        """What decisions look at now."""
        means = self.means
        return Surroundings(means.clock(), self.ledger, means.silences, means.settings.inhibit_rules)

    def telemetry(self) -> Run:
        """What this run's telemetry rows share, as of now."""
        return Run(format_utc(self.means.clock()), self.loop_id, self.trace_id)

    def state(self) -> JsonObject:
        """The state document as of now."""
        paths = self.means.store.paths
        return state_document(
            now=self.means.clock(),
            loop_id=self.loop_id,
            trace_id=self.trace_id,
            escalations_file=paths.escalations,
            telemetry_file=paths.telemetry,
            status="no_source" if self.no_source else self.counters.status,
            counters=self.counters,
            offset=self.offset,
            line_count=self.line_count,
            position=self.position,
            entries=self.entries.values(),
        )

    def finish(self) -> JsonObject:
        """Publish: ledger, state, and the journal without what is over. The state document.

        A run that lasts does so in between too; what is over is forgotten then.
        """
        store, now = self.means.store, self.means.clock()
        self.published_at = now
        forget_old(self.ledger, now=now)
        self.ledger.last_line = max(self.ledger.last_line, self.offset)
        document = self.state()
        ledger = ledger_json(self.ledger, now=now)
        if self._differs(ledger):
            store.replace_incidents(ledger)
            self.stored_ledger = ledger
        store.replace_state(document)
        if self.entries:
            unfinished = {key: entry for key, entry in self.entries.items() if self.is_unfinished(entry)}
            store.replace_outbox(
                compacted(entry for entry in unfinished.values() if entry.origin is not Origin.REFRESH)
            )
            self.entries = unfinished
            kept = {delivery.id for entry in unfinished.values() for delivery in entry.deliveries}
            self.deliveries = {key: delivery for key, delivery in self.deliveries.items() if key in kept}
            self.rows.forget_old()
        return document

    def has_changed(self) -> bool:
        """Whether :meth:`finish` would publish anything but the time; a run that only looked around need not."""
        now = self.means.clock()
        forget_old(self.ledger, now=now)
        return (
            self.means.store.journal_has_grown
            or self.counters != Counters()
            or self.offset != self._offset_before
            or self._differs(ledger_json(self.ledger, now=now))
        )

    def _differs(self, ledger: JsonObject) -> bool:
        return any(ledger[key] != self.stored_ledger.get(key, {}) for key in ("incidents", "resolved", "groups"))

    def is_unfinished(self, entry: Entry) -> bool:
        """Whether the journal still has to know of an entry."""
        leader = self.entries.get(entry.leader)
        if leader is not None:
            return self.is_unfinished(leader)
        return entry.parked or bool(entry.pending) or not entry.reported

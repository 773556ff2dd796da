"""Taking in new escalation rows: each is decided, and what is to be told is in the journal before anything leaves
(contract 50, 4.3 and 4.4)."""

from __future__ import annotations

from collections import Counter

from opsd.alerts.decide import Reason, Routed, Unrouted, decide
from opsd.alerts.model import ResolvedSink
from opsd.alerts.records import telemetry
from opsd.alerts.records.incidents import incident_key, record_row
from opsd.alerts.records.outbox import Delivery, Entry, Origin
from opsd.alerts.records.rows import Escalation, Unusable, UnusableLine, delivery_id, read_line
from opsd.alerts.run.dispatch_run import DispatchRun, OffsetAheadError
from opsd.alerts.run.reporting import count_report, flush
from opsd.alerts.run.row_order import Place
from opsd.alerts.sinks.pagerduty import dedup_key
from opsd.alerts.sinks.parts import bounded_key
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.alert_store import Position

#: Rows that are read, decided and journalled at once.
_BATCH = 500


def take_in(run: DispatchRun) -> bool:
    """Take in what is new behind the offset; True when something was.

    Raises:
        OffsetAheadError: the offset lies beyond the file.
        ManagerFileError: something could not be written.
    """
    found_any = False
    while True:
        left = run.max_rows - run.counters.processed if run.max_rows else _BATCH
        taken = _take_batch(run, min(left, _BATCH)) if left > 0 else 0
        found_any = found_any or taken > 0
        if taken < _BATCH:
            return found_any


def _take_batch(run: DispatchRun, limit: int) -> int:
    store = run.means.store
    start = run.position or Position(run.offset)
    found = store.read_rows(start, limit)
    if found is None:
        run.no_source = True
        run.line_count = run.offset
        return 0
    run.no_source = False
    if found.replaced:
        run.offset = 0
    run.line_count = found.line_count
    if run.offset > found.line_count and not (found.tail and run.offset == found.line_count + 1):
        raise OffsetAheadError(f"dispatch state offset is ahead of escalation file: {run.offset} > {found.line_count}")
    run.position = found.position
    entries: list[Entry] = []
    for raw in found.lines:
        run.offset += 1
        run.counters.processed += 1
        line = read_line(run.offset, raw, loop_id=run.loop_id, trace_id=run.trace_id)
        if run.means.long_lived and isinstance(line, Escalation):
            run.trace_id = line.trace_id  # the pass's, as where each pass has a run of its own (50, 9.1)
        run.rows.places.append(_take_line(run, line, entries))
    store.append_outbox([entry.as_json() for entry in entries])
    for entry in entries:
        run.add(entry)
    flush(run)
    return len(found.lines)


def _take_line(run: DispatchRun, line: Escalation | UnusableLine, entries: list[Entry]) -> Place:
    """Decide one line. What it needs in the journal goes to ``entries``."""
    counters = run.counters
    if isinstance(line, UnusableLine):
        if line.why is Unusable.BLANK:
            counters.skipped += 1
            return Place(rows=[])
        counters.failed += 1
        counters.codes.add(line.why.value)
        return Place(rows=[telemetry.unusable(run.telemetry(), line)])
    known = run.entries.get(_entry_id(run, line))
    if known is not None:
        return _resume(run, known)
    routed = run.means.resolve(line.category, line.severity)
    if isinstance(routed, Unrouted):
        counters.failed += 1
        if routed.output is not None:
            counters.codes.add("invalid_route_resolution")
            return Place(rows=[telemetry.resolver_unusable(run.telemetry(), line, routed.output)])
        counters.codes.add("route_resolution_failed")
        entries.append(parked(run, line))
        return Place(rows=[telemetry.resolver_failed(run.telemetry(), line, routed.message)])
    rows: list[JsonObject] = []
    entry = route_row(run, line, routed, rows)
    if entry is None:
        return Place(rows=rows)
    entries.append(entry)
    return Place(rows=[]) if entry.group else Place(entry)  # a group has its own time


def route_row(
    run: DispatchRun, row: Escalation, routed: Routed, rows: list[JsonObject], *, extra: JsonObject | None = None
) -> Entry | None:
    """The entry that tells a routed row; None when nobody is told, with the telemetry row that says why.

    ``extra``: what telemetry adds for a row that is not new, which no counter of new rows counts.
    """
    around = run.surroundings()
    decision = decide(row, routed, run.means.settings.of(row.category), around)
    told = decision.reason is None
    if told or decision.held:
        record_row(run.ledger, row, routed.severity, routed.route, now=around.now, held=decision.reason or "")
    if not told:
        if extra is None:
            run.counters.skipped += 1
        run.counters.silenced += decision.reason is Reason.SILENCED
        details = {**decision.details, **(extra or {})}
        severity, reason = routed.severity.value, str(decision.reason)
        rows.append(telemetry.skipped(run.telemetry(), row, severity, reason, routed.route, details))
        return None
    return Entry(
        id=_entry_id(run, row),
        origin=Origin.ROW,
        escalation=row,
        received_at=around.now,
        severity=routed.severity,
        route=routed.route,
        deliveries=deliveries_of(run, row, decision.sinks, decision.group),
        incident=incident_key(row),
        group=decision.group,
        release_at=decision.release_at,
        backlog=extra is not None,
        report_by=around.now + run.means.budget_s,
    )


def deliveries_of(
    run: DispatchRun, row: Escalation, sinks: tuple[ResolvedSink, ...], group: str = ""
) -> list[Delivery]:
    """One delivery per sink, in the route's order; a sink that is named twice is told twice (R4)."""
    seen: Counter[str] = Counter()
    found = []
    for sink in sinks:
        seen[sink.id] += 1
        identity = delivery_id(run.loop_id, sink.id, row.number, row.raw, seen[sink.id])
        key = dedup_key(sink.rules.dedup_key_mode, row.loop_id, row.category, row.timestamp)
        found.append(Delivery(identity, sink.view, bounded_key(f"group:{group}") if group else key))
    return found


def parked(run: DispatchRun, row: Escalation) -> Entry:
    """A row whose route cannot be resolved yet (W3): its telemetry row stands, its telling waits."""
    now = run.means.clock()
    return Entry(_entry_id(run, row), Origin.ROW, row, now, parked=True, reported=True, backlog=True)


def _entry_id(run: DispatchRun, row: Escalation) -> str:
    """One per line and content: another file's line of the same number is another entry."""
    return delivery_id(run.loop_id, "", row.number, row.raw)


def _resume(run: DispatchRun, entry: Entry) -> Place:
    """A row that an interrupted run has journalled: its outcomes are this run's."""
    entry.report_by = run.means.clock() + run.means.budget_s
    if entry.parked:
        run.counters.failed += 1
        run.counters.codes.add("route_resolution_failed")
        return Place(rows=[])
    record_row(run.ledger, entry.escalation, entry.severity, entry.route, now=entry.received_at)
    run.recall(entry)
    run.recall_end(entry)
    if entry.reported:
        count_report(run, entry)
        return Place(rows=[])
    entry.backlog = False
    return Place(rows=[]) if entry.group else Place(entry)  # a group has its own time

"""What a run does beside new rows: routes that can be resolved now, ends that have to be told, and what is told again
(contract 50, W3, R7, R8, R13, R16, R17)."""

from __future__ import annotations

from opsd.alerts.decide import Routed, Unrouted, muted
from opsd.alerts.model import AttemptResult, ResolvedSink, RetryRules
from opsd.alerts.records.dead_letters import dead_letter, outstanding, replayed_row, revived
from opsd.alerts.records.incidents import Incident, Told, record_repeat, record_resolved, record_told
from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin, attempt_line
from opsd.alerts.records.rows import derived_delivery_id
from opsd.alerts.recovery import has_recovered
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.intake import route_row
from opsd.alerts.run.overtaking import leaves_first
from opsd.alerts.run.reporting import delivery_ended
from opsd.alerts.run.sending import leave_lane, outlook
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.pagerduty import dedup_key
from opsd.alerts.targets import retry
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc


def reroute(run: DispatchRun) -> None:
    """Resolve again what could not be resolved when it came in; too old, it is a dead letter."""
    store, now = run.means.store, run.means.clock()
    for entry in [entry for entry in run.entries.values() if entry.parked]:
        row = entry.escalation
        routed = run.means.resolve(row.category, row.severity)
        if isinstance(routed, Unrouted):
            if retry.is_too_old(RetryRules(), entry.received_at, now):
                lost = Delivery(entry.id, {}, "", DeliveryState.DEAD, last={"reasonCode": "route_resolution_failed"})
                store.append_dead_letters([dead_letter(entry, lost, now=now)])
                run.counters.dead_lettered += 1
                entry.parked = False
                store.append_outbox([entry.as_json()])
            continue
        rows: list[JsonObject] = []
        found = route_row(run, row, routed, rows, extra={"deliveryKind": "retry"})
        entry.parked = False
        if found is not None:
            entry = found
            entry.reported = True
        store.append_telemetry(rows)
        store.append_outbox([entry.as_json()])
        run.add(entry)


def revive(run: DispatchRun, which: str) -> None:
    """Tell dead letters again, ``which`` by its delivery id or ``all``, with the same ids (R11).

    Raises:
        UsageError: no such dead letter waits.
    """
    store, now = run.means.store, run.means.clock()
    letters = outstanding(store.read_dead_letters())
    if which != "all" and which not in letters:
        raise UsageError(f"no dead letter with delivery id: {which}")
    chosen = letters.values() if which == "all" else [letters[which]]
    entries = [entry for letter in chosen if (entry := revived(letter, now=now)) is not None]
    new = [entry for entry in entries if entry.id not in run.entries]  # else a killed run has journalled it
    for entry in new:
        entry.backlog, entry.report_by = True, run.deadline
        run.add(entry)
    store.append_outbox([entry.as_json() for entry in new])
    store.append_dead_letters(
        [replayed_row(delivery.id, now=now) for entry in entries for delivery in entry.deliveries]
    )


def conclude(run: DispatchRun) -> None:
    """Ends, then what is told again, for every incident whose beginning is not just being told.

    A long-lived run does not wait with an end: a sink that hangs on the beginning keeps the end from no other sink. A
    run that is about to close leaves it to the next.
    """
    if run.is_closing:
        return
    busy = {
        entry.incident
        for sink_id in run.waiting_sinks()
        for about_to_start in (outlook(run, sink_id) is not None,)
        for entry, delivery in run.lanes[sink_id]
        if delivery.id in run.in_flight or (about_to_start and not delivery.attempts)
    }
    shared: set[str] = set()
    for entry in run.entries.values():
        told = {each.incident for each in run.told_by(entry)}
        if len(told) > 1 and entry.pending:
            shared |= told
    for incident in list(run.ledger.open.values()):
        if incident.key in shared:
            continue  # its end must not take away the beginning of another
        waits = incident.key in busy
        if (run.means.long_lived or not waits) and _is_over(run, incident):
            _resolve(run, incident)
        elif not waits:
            _tell_again(run, incident)
    for at, incident in list(run.ledger.resolved.values()):
        _refresh(run, incident, resolved_at=format_utc(at))


def _is_over(run: DispatchRun, incident: Incident) -> bool:
    rules = run.means.settings.of(incident.escalation.category)
    return has_recovered(
        incident.escalation.category,
        incident.last_row_at,
        run.means.store.read_artifact,
        own_loop=incident.escalation.loop_id == run.loop_id,
        resolve_after_s=rules.resolve_after_s or None,
        now=run.means.clock(),
    )


def _resolve(run: DispatchRun, incident: Incident) -> None:
    """Cancel what was not told yet; tell the end to whoever knows, or may know, of the beginning.

    What is under way or leaves next is not cancelled: its sink is told the end behind it.
    """
    now = run.means.clock()
    waiting = [
        (entry, delivery)
        for entry in run.entries.values()
        if entry.incident == incident.key and entry.resolved_at is None and entry.origin is not Origin.REFRESH
        for delivery in entry.pending
    ]
    first = {delivery.id: delivery for _entry, delivery in waiting if leaves_first(run, delivery)}
    cancelled = [(entry, delivery) for entry, delivery in waiting if delivery.id not in first]
    lines: list[JsonObject] = []
    for _entry, delivery in cancelled:
        if delivery.maybe:
            record_told(run.ledger, incident.key, delivery.view, delivery.dedup_key, delivery.id, now=now)
        delivery.state = DeliveryState.CANCELLED
        delivery.last = AttemptResult(False, "resolved_before_delivery").as_json()
        leave_lane(run, delivery)
        lines.append(attempt_line(delivery))
    informed = {sink_id: Told(told.view, dict(told.keys)) for sink_id, told in incident.told.items()}
    for delivery in first.values():
        informed.setdefault(delivery.sink_id, Told(delivery.view)).keys[delivery.dedup_key] = delivery.id
    deliveries = [delivery for told in informed.values() for delivery in _ends(run, incident, told)]
    if deliveries:
        entry = _entry_of(run, incident, Origin.RESOLVE, deliveries, resolved_at=format_utc(now))
        if entry.id not in run.entries:  # an interrupted run has journalled it, and the ledger does not know
            lines.insert(0, entry.as_json())
            run.add(entry)
    run.means.store.append_outbox(lines)  # at once: an end that is told and a beginning that is not belong together
    for entry, delivery in cancelled:
        delivery_ended(run, entry, delivery)
    record_resolved(run.ledger, incident, now=now)
    run.counters.resolved += 1


def _ends(run: DispatchRun, incident: Incident, told: Told) -> list[Delivery]:
    """One resolve for each dedup key where keys matter, else one; none for a key that tells another incident too."""
    sink = run.means.current_sink(told.view)
    if sink is None or not sink.rules.send_resolved:
        return []
    kind = SINK_TYPES.get(sink.type)
    if kind is not None and kind.resolves_by_key:
        others = [
            one.told[sink.id].keys for one in run.ledger.open.values() if one is not incident and sink.id in one.told
        ]
        keys = [key for key in told.keys if not any(key in other for other in others)]
    else:
        keys = list(told.keys)[-1:]
    opened = repr(incident.opened_at)
    return [
        Delivery(derived_delivery_id("resolve", run.loop_id, incident.key, opened, sink.id, key), told.view, key)
        for key in keys
    ]


def _tell_again(run: DispatchRun, incident: Incident) -> None:
    """A silence that has ended, a repeat that is due, or a receiver that forgets."""
    now = run.means.clock()
    interval_s = run.means.settings.of(incident.escalation.category).repeat_interval_s
    repeats = interval_s > 0 and incident.told_at > 0 and now - incident.told_at >= interval_s
    if incident.held or repeats:
        row = incident.escalation
        routed = run.means.resolve(row.category, row.severity)
        if isinstance(routed, Routed) and routed.sinks and muted(row, routed, run.surroundings()) is None:
            origin = Origin.RELEASED if incident.held else Origin.REPEAT
            incident.severity, incident.route = routed.severity, routed.route
            record_repeat(incident, now=now)
            entry = _entry_of(run, incident, origin, [_again(run, incident, sink) for sink in routed.sinks])
            incident.told_at = entry.received_at
            run.means.store.append_outbox([entry.as_json()])
            run.add(entry)
            return
    _refresh(run, incident, resolved_at=None)


def _again(run: DispatchRun, incident: Incident, sink: ResolvedSink) -> Delivery:
    row = incident.escalation
    opened, number = repr(incident.opened_at), str(incident.repeats)
    key = dedup_key(sink.rules.dedup_key_mode, row.loop_id, row.category, row.timestamp)
    identity = derived_delivery_id("again", run.loop_id, incident.key, opened, number, sink.id)
    return Delivery(identity, sink.view, key)


def _refresh(run: DispatchRun, incident: Incident, *, resolved_at: str | None) -> None:
    """Tell receivers that forget what they were told, for as long as they would forget it (R8, R17)."""
    now = run.means.clock()
    deliveries = []
    for told in incident.told.values():
        sink = run.means.current_sink(told.view)
        kind = None if sink is None else SINK_TYPES.get(sink.type)
        if sink is None or kind is None or not kind.forgets or now - told.last_at < sink.rules.resend_s:
            continue
        told.last_at = now
        identity = derived_delivery_id("refresh", run.loop_id, incident.key, str(now), sink.id)
        deliveries.append(Delivery(identity, told.view, next(reversed(told.keys), "")))
    if deliveries:
        run.add(_entry_of(run, incident, Origin.REFRESH, deliveries, resolved_at=resolved_at))


def _entry_of(
    run: DispatchRun, incident: Incident, origin: Origin, deliveries: list[Delivery], resolved_at: str | None = None
) -> Entry:
    now = run.means.clock()
    return Entry(
        id=f"{origin.value}:{deliveries[0].id}",
        origin=origin,
        escalation=incident.escalation,
        received_at=now,
        severity=incident.severity,
        route=incident.route,
        deliveries=deliveries,
        incident=incident.key,
        resolved_at=resolved_at,
        reported=origin is Origin.REFRESH,
        backlog=True,
        report_by=now + run.means.budget_s,
    )


def next_wake(run: DispatchRun) -> float | None:
    """When the next run of this loop has something to do without new rows, in seconds since 1970; None: never."""
    moments = [
        max(delivery.next_at, entry.release_at, run.lane_waits.get(delivery.sink_id, 0.0))
        for entry in run.entries.values()
        if entry.origin is not Origin.REFRESH
        for delivery in entry.pending
    ]
    now = run.means.clock()
    if any(entry.parked for entry in run.entries.values()):
        moments.append(now + RetryRules().cap_s)
    for incident in run.ledger.open.values():
        rules = run.means.settings.of(incident.escalation.category)
        if rules.repeat_interval_s and incident.told_at:
            moments.append(incident.told_at + rules.repeat_interval_s)
        if rules.resolve_after_s:
            moments.append(incident.last_row_at + rules.resolve_after_s)
        if incident.held:
            moments += [silence.ends_at for silence in run.means.silences if silence.ends_at > now]
        moments += _refresh_times(run, incident)
    for _at, incident in run.ledger.resolved.values():
        moments += _refresh_times(run, incident)
    return min(moments, default=None)


def _refresh_times(run: DispatchRun, incident: Incident) -> list[float]:
    found = []
    for told in incident.told.values():
        sink = run.means.current_sink(told.view)
        kind = None if sink is None else SINK_TYPES.get(sink.type)
        if sink is not None and kind is not None and kind.forgets:
            found.append(told.last_at + sink.rules.resend_s)
    return found

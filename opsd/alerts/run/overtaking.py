"""The end of an incident behind a beginning that is still on its way (contract 50, R3 and R8).

In a run that lasts, an end is told to every sink as soon as it is seen. A sink that is just being told of the
beginning, or is about to be, gets the end behind it, in the same lane. Should the beginning fail, it is not tried
again: it is over, and so is its end, unless the sink knows of the incident, or may know.
"""

from __future__ import annotations

from opsd.alerts.model import Action
from opsd.alerts.records.outbox import Delivery, Entry
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.sinks import SINK_TYPES


def leaves_first(run: DispatchRun, delivery: Delivery) -> bool:
    """Whether what is put into a delivery's lane now is sent behind it: it is under way, or its first attempt is due
    and nothing holds its lane up.
    """
    if delivery.id in run.in_flight or not run.means.long_lived:
        return delivery.id in run.in_flight
    now = run.means.clock()
    held_up = max(delivery.next_at, run.lane_waits.get(delivery.sink_id, 0.0)) > now
    entry = next((entry for entry, other in run.lanes.get(delivery.sink_id, ()) if other is delivery), None)
    return entry is not None and not (held_up or delivery.attempts or entry.release_at > now)


def ends_behind(run: DispatchRun, entry: Entry, delivery: Delivery) -> list[tuple[Entry, Delivery]]:
    """What tells the same sink that the incident of a beginning is over; where keys matter, the incident of its key."""
    if entry.action is not Action.TRIGGER or not entry.incident:
        return []
    return [item for item in _of_the_same(run, entry, delivery) if item[0].action is Action.RESOLVE]


def keeps_its_end(run: DispatchRun, entry: Entry, delivery: Delivery) -> bool:
    """Whether the sink of a beginning that failed has to be told of the end all the same: it knows of the incident, or
    may know, or is about to be told of it by another row.
    """
    _at, incident = run.ledger.resolved.get(entry.incident, (0.0, None))
    if delivery.maybe or (incident is not None and delivery.sink_id in incident.told):
        return True
    return any(
        other.action is Action.TRIGGER and beginning is not delivery
        for other, beginning in _of_the_same(run, entry, delivery)
    )


def _of_the_same(run: DispatchRun, entry: Entry, delivery: Delivery) -> list[tuple[Entry, Delivery]]:
    """The lane's deliveries about the incident, of the same key where a sink resolves by key."""
    kind = SINK_TYPES.get(str(delivery.view.get("type")))
    by_key = kind is not None and kind.resolves_by_key
    return [
        (other, told)
        for other, told in run.lanes.get(delivery.sink_id, ())
        if other.incident == entry.incident and not (by_key and told.dedup_key != delivery.dedup_key)
    ]

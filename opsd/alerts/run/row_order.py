"""The new rows of a run, told and reported in their order although sinks work side by side (contract 50, R3).

A row's deliveries start when those of the rows before it have begun. In a one-shot run "begun" is "answered, or its
sink has been busy for a moment": a receiver of two sinks sees rows in their order, and a sink that hangs holds the
others up for that moment only, however many rows there are. The daemon does not even wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsd.alerts.records.outbox import DeliveryState, Entry
from opsd.contract.jsoncodec import JsonObject

#: How long a row waits for answers to the rows before it, in seconds.
ORDER_GRACE_S = 0.25


@dataclass(slots=True)
class Place:
    """One line: the entry that tells it, or the telemetry rows that say why there is none.

    ``rows`` is None until there is something to report; ``told`` are the entries that it reports.
    """

    entry: Entry | None = None
    rows: list[JsonObject] | None = None
    told: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class RowOrder:
    """Places in their lines' order: those before ``reported`` are handed out, those before ``begun`` have begun."""

    places: list[Place] = field(default_factory=list)
    reported: int = 0
    begun: int = 0

    def fill(self, entry: Entry, rows: list[JsonObject], told: list[Entry]) -> bool:
        """The rows that report an entry; False when it has no place here."""
        for place in self.places[self.reported :]:
            if place.entry is entry:
                place.rows, place.told = rows, told
                return True
        return False

    def ready(self) -> list[Place]:
        """Hand out the places that can be reported without overtaking another."""
        start = self.reported
        while self.reported < len(self.places) and self.places[self.reported].rows is not None:
            self.reported += 1
        return self.places[start : self.reported]

    def forget_old(self) -> None:
        """Drop the places that are done with."""
        done = min(self.reported, self.begun)
        del self.places[:done]
        self.reported -= done
        self.begun -= done

    def may_begin(self, entry: Entry, under_way: Mapping[str, float], held_up: Mapping[str, float], now: float) -> bool:
        """Whether every row before this one has begun.

        Args:
            under_way: since when a sink's lane waits for an answer, by sink id: whatever queues there is held up.
            held_up: until when a sink's lane waits, by sink id: it holds nobody else up.
        """
        while self.begun < len(self.places):
            first = self.places[self.begun].entry
            if first is entry:
                return True
            if first is not None and not _has_begun(first, under_way, held_up, now):
                return entry.backlog
            self.begun += 1
        return True


def _has_begun(entry: Entry, under_way: Mapping[str, float], held_up: Mapping[str, float], now: float) -> bool:
    return entry.release_at > now or all(
        delivery.state is not DeliveryState.PENDING
        or delivery.attempts_in_run
        or held_up.get(delivery.sink_id, 0.0) > now
        or now - under_way.get(delivery.sink_id, now) >= ORDER_GRACE_S
        for delivery in entry.deliveries
    )

"""What a run of the dispatcher works with; :mod:`opsd.compose_alerts` puts it together."""

from __future__ import annotations

import random
import time as clocks
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opsd.alerts.decide import Routed, Unrouted
from opsd.alerts.model import Environment, ResolvedSink
from opsd.alerts.muting.silences import Silence
from opsd.alerts.records.outbox import Delivery, Entry
from opsd.alerts.routing.delivery_settings import DeliverySettings
from opsd.alerts.targets.sink_health import SinkHealth
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.alert_store import AlertStore


class Observer(Protocol):
    """Whoever counts what deliveries do. Called in the thread of the step; must not raise."""

    def attempted(self, delivery: Delivery, duration_s: float) -> None:
        """A request has ended; ``delivery.last`` says how."""
        ...

    def ended(self, entry: Entry, delivery: Delivery) -> None:
        """A delivery is over: delivered, dead or cancelled."""
        ...


class _Nobody:
    def attempted(self, delivery: Delivery, duration_s: float) -> None:
        pass

    def ended(self, entry: Entry, delivery: Delivery) -> None:
        pass


#: Counts nothing.
NOBODY: Observer = _Nobody()


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with.

    Args:
        resolve: the route of a category and a severity (empty: none given).
        current_sink: a sink as the catalog has it now, by its stored view; None when it is gone or switched off.
        silences: those of the fleet.
        long_lived: the daemon's way: requests outlive the budget, and the run takes in new rows while it lasts.
        expected_interval_s: seconds until the next run of a loop, for receivers that forget.
        observer: told of every attempt and of every delivery's end.
    """

    store: AlertStore
    resolve: Callable[[str, str], Routed | Unrouted]
    current_sink: Callable[[JsonObject], ResolvedSink | None]
    settings: DeliverySettings
    health: SinkHealth
    env: Environment
    silences: Sequence[Silence] = ()
    long_lived: bool = False
    budget_s: float = 10.0
    expected_interval_s: float = 300.0
    observer: Observer = NOBODY
    clock: Callable[[], float] = clocks.time
    rand: Callable[[], float] = random.random

"""Looks at what no pass tells the delivery worker: the files that all loops share, and what other processes left.

A catalog that was repaired, a silence that was added or ended, a delivery file that changed: whoever has something open
or owed gets a run at once, without a signal. And a sweep over the stats of all loops' alert files finds what a command
by hand has left, and at the start what an earlier life of the daemon has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from opsd.runtime.threads import InThread
from opsd.supervisor.alerts import config as alert_config
from opsd.supervisor.alerts.config import Look
from opsd.supervisor.alerts.metrics import AlertMetrics
from opsd.supervisor.alerts.run import RunMeans
from opsd.supervisor.alerts.schedule import LoopAlerts, Standing, is_unsettled, left_by_others
from opsd.supervisor.tasks.heartbeat import Heartbeat


class Deliverer(Protocol):
    """Whom it tells."""

    means: RunMeans
    loops: dict[str, LoopAlerts]

    def wake(self, loop: str, *, reason: str, at_once: bool = False) -> None:
        """Something may concern a loop."""
        ...


class AlertWatch:
    """``seen``: what the last look showed. Lives on the event loop's thread; looks are taken in another."""

    def __init__(
        self,
        worker: Deliverer,
        metrics: AlertMetrics,
        in_thread: InThread,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.seen = Look()
        self._worker = worker
        self._metrics = metrics
        self._in_thread = in_thread
        self._clock = clock
        self._monotonic = monotonic
        self._swept: set[str] = set()
        self._log = structlog.get_logger("opsd.alerts")

    async def run(self, heartbeat: Heartbeat, *, look_s: float, sweep_s: float) -> None:
        """Look and sweep for ever; a loop that is new is swept at the next look."""
        sweep_at = self._monotonic() + sweep_s
        while True:
            heartbeat.beat()
            await self.look()
            present = set(self._worker.loops)
            due = self._monotonic() >= sweep_at
            await self.sweep(present if due else present - self._swept)
            self._swept = present
            if due:
                sweep_at = self._monotonic() + sweep_s
            await asyncio.sleep(look_s)

    async def look(self) -> None:
        """Look at catalog, delivery file, silences and the health of the sinks; wake whom a change may concern."""
        means, before = self._worker.means, self.seen
        seen: Look = await self._in_thread(
            alert_config.look,
            means.repo,
            means.options,
            means.env,
            means.configuration,
            means.health.views,
            self._clock(),
        )
        self.seen = seen
        self._metrics.show(seen.sinks, seen.sink_ids, seen.active_silences, not seen.problems)
        for problem in seen.problems:
            if problem not in before.problems:
                self._log.error("alert.config_refused", message=problem)
        if before.files and seen.files != before.files:
            self._log.info("alert.config_changed")
            for loop, known in list(self._worker.loops.items()):
                if is_unsettled(known):
                    self._worker.wake(loop, reason="configuration", at_once=True)

    async def sweep(self, loops: Iterable[str]) -> None:
        """Wake every loop whose alert files are not as its last run left them."""
        known = {loop: self._worker.loops[loop].standing for loop in loops if loop in self._worker.loops}
        means = self._worker.means

        def changed(loop: str, standing: Standing) -> bool:
            try:
                return left_by_others(standing, means.files_of(loop))
            except OSError:  # the loop's run says what it is, and no other loop waits for that
                return True

        def look() -> list[str]:
            return [loop for loop, standing in known.items() if changed(loop, standing)]

        for loop in await self._in_thread(look) if known else ():
            self._worker.wake(loop, reason="sweep")

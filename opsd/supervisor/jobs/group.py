"""All jobs of the daemon: one supervised task each, together through reload and drain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from opsd.supervisor.fleet.means import fleet_store
from opsd.supervisor.jobs.job import JobName, job_of
from opsd.supervisor.jobs.metrics import JobMetrics
from opsd.supervisor.jobs.timer import JobTimer
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.tasks.supervisor import TaskSupervisor


class JobGroup:
    """Owns the timers. Lives on the event loop's thread."""

    def __init__(self, repo: str, settings: Settings, metrics: JobMetrics, env: Mapping[str, str]) -> None:
        self._repo = repo
        store = fleet_store(repo, settings)
        self._timers = [JobTimer(name, job_of(name, repo, settings), store, metrics, env) for name in JobName]

    def start(self, tasks: TaskSupervisor, *, silence_s: float) -> None:
        """Start their tasks; ``silence_s`` is how long one may make no progress."""
        for timer in self._timers:
            tasks.start(timer.name.value, timer.run, deadline_s=silence_s)

    def use(self, settings: Settings) -> None:
        """Work by these settings from each job's next run on."""
        for timer in self._timers:
            timer.use(job_of(timer.name, self._repo, settings))

    async def drain(self) -> None:
        """No further run, and the end of those under way."""
        await asyncio.gather(*(timer.drain() for timer in self._timers))

    def close(self) -> None:
        """End what still runs."""
        for timer in self._timers:
            timer.close()

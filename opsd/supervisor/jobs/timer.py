"""A command of this manager on a timer: a supervised task around a process of its own.

Guarantees: the event loop waits for nothing; a run that is beyond its deadline is ended with everything it started,
told and counted, and the next one comes at its time; two runs of a job never overlap. A run is a process, so it can be
ended at any moment: the commands are made for that, and complete or repeat what was left (contract 95, W5; 97, B1).
The end of the daemon lets a run end by itself for as long as draining may take. Lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from opsd.contract.errors import file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.runtime.process import Answer, Ending
from opsd.storage.fleet_port import FleetStore
from opsd.supervisor.jobs.commands import complaint, printed, run_command
from opsd.supervisor.jobs.job import Job, JobName
from opsd.supervisor.jobs.metrics import JobMetrics
from opsd.supervisor.tasks.supervisor import Heartbeat

#: Between two signs of life while a run goes on, in seconds.
_LOOK_S = 0.5
#: A run that was ended at its deadline has so many seconds more to be gone; then the task counts as hung.
_GRACE_S = 10.0
#: Waits are moved by this share at random, so that several managers do not work in step.
_JITTER = 0.1
#: The first run comes so many seconds after the start, or after one interval where that is shorter.
_FIRST_S = 10.0


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How one run ended: what it printed, and why it failed ("" when it did not)."""

    document: JsonObject | None
    problem: str
    duration_s: float


#: Runs ``argv`` with a limit in seconds.
Run = Callable[[list[str], float], Answer]


class JobTimer:
    """Runs one job.

    Args:
        job: what to run; None while it is not wanted.
        store: of the fleet, to see whether there is anything to do.
        env: of the processes.
        run: in place of a real process.
    """

    def __init__(
        self,
        name: JobName,
        job: Job | None,
        store: FleetStore,
        metrics: JobMetrics,
        env: Mapping[str, str],
        *,
        run: Run | None = None,
        rand: Callable[[], float] = random.random,
        first_s: float = _FIRST_S,
    ) -> None:
        self.name = name
        self._job = job
        self._store = store
        self._metrics = metrics
        self._env = env
        self._ending = Ending()
        self._run = run or self._run_process
        self._rand = rand
        self._first_s = first_s
        self._thread = ThreadPoolExecutor(1, f"opsd-{name}")
        self._running: asyncio.Future[JobEnd | None] | None = None
        self._stopping = False
        self._told: object = None
        self._wanted = asyncio.Event()
        self._log = structlog.get_logger("opsd.jobs")

    def use(self, job: Job | None) -> None:
        """Work by this from the next run on."""
        self._job = job
        self._wanted.set()
        if job is None:
            self._metrics.forget(self.name)

    async def run(self, heartbeat: Heartbeat) -> None:
        """For ever: wait, run."""
        wait_s = self._first_s
        while True:
            if self._running is not None:  # of a former life of this task
                await self._watch(heartbeat, _GRACE_S)
            job = self._job
            with heartbeat.idle():
                if job is None:
                    self._wanted.clear()
                    await self._wanted.wait()
                    continue
                pause_s = min(wait_s, job.interval_s)
                await asyncio.sleep(pause_s * (1 + _JITTER * (self._rand() - 0.5)))
            job = self._job
            if job is None or self._stopping:
                continue
            self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._once, job)
            ran = await self._watch(heartbeat, job.deadline_s + _GRACE_S)
            wait_s = job.interval_s if ran else self._first_s

    async def _watch(self, heartbeat: Heartbeat, limit_s: float) -> bool:
        """Until the run has ended; whether there was something to do. No progress beyond ``limit_s`` seconds."""
        running = self._running
        if running is None:
            return False
        until = time.monotonic() + limit_s
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK_S)
            if time.monotonic() < until:
                heartbeat.beat()
        self._running = None
        end = running.result()
        if end is not None and self._job is not None:  # switched off meanwhile, it is not shown any more
            self._metrics.ended(self.name, end.document, not end.problem, end.duration_s)
            self._tell(end)
        return end is not None

    def _once(self, job: Job) -> JobEnd | None:
        """One run, in the thread; None where there is nothing to do yet."""
        began = time.monotonic()
        try:
            if not all(self._store.exists(part) for part in job.needs):
                return None
        except OSError as error:
            return JobEnd(None, file_trouble(error, "read"), 0.0)
        answer = self._run(list(job.argv), job.deadline_s)
        found = printed(answer)
        problem = "" if answer.exit in job.good_exits and found is not None else _problem(answer)
        return JobEnd(found, problem, time.monotonic() - began)

    def _run_process(self, argv: list[str], deadline_s: float) -> Answer:
        return run_command(argv, deadline_s, self._env, self._ending)

    async def drain(self) -> None:
        """No further run, and the end of the one under way."""
        self._stopping = True
        if self._running is not None:
            await asyncio.wait([self._running])

    def close(self) -> None:
        """End what still runs, and give the thread back."""
        self._ending.begin()
        self._thread.shutdown(wait=False, cancel_futures=True)

    # One line per thing that happened.

    def _tell(self, end: JobEnd) -> None:
        told = self._news(end)
        known, self._told = self._told, told
        if told is None or told == known:
            return
        event, facts = told
        log = self._log.error if end.problem else self._log.info
        log(event, **dict(facts))

    def _news(self, end: JobEnd) -> tuple[str, tuple[tuple[str, object], ...]] | None:
        """What is worth a line, once; None for a run that changed nothing."""
        document = end.document
        if end.problem:
            return "job.failed", (("job", self.name.value), ("message", end.problem))
        if self.name is JobName.GATES:
            summary = get(document, "summary")
            facts = ("decision", get(summary, "decision")), ("reasons", tuple(get(summary, "reasonCodes") or ()))
            return "promotion.decided", facts
        if self.name is JobName.CONTROLLER:
            facts = (
                ("status", get(document, "status")),
                ("reasons", tuple(get(document, "decision", "reasonCodes") or ())),
            )
            trace = (
                (("trace", get(document, "context", "traceId")),) if get(document, "execution", "applyExecuted") else ()
            )
            return "promotion.controlled", (*facts, *trace)
        counts = {key: get(document, "summary", key) for key in ("queuedEnvelopeCount", "rejectedFileCount")}
        if not any(counts.values()):
            return None
        facts = ("queued", counts["queuedEnvelopeCount"]), ("rejected", counts["rejectedFileCount"])
        return "horizon.bridged", (*facts, ("trace", get(document, "traceId")))


def _problem(answer: Answer) -> str:
    """Why a run failed."""
    return complaint(answer) or f"it ended with {answer.exit} and no document"

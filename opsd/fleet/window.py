"""Running many jobs, some at a time: a true sliding window with exactly one result for each (60, weaknesses 9, 14, 17).

Each job has a thread of its own while it runs. A job that has not ended at its deadline is given up: its result says
so, its place is free for the next one, and what it may still bring is dropped. Threads cannot be killed, so they are
daemon threads: one that hangs holds up neither the fleet nor the end of the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

#: A signal that arrives just before the wait begins does not interrupt it: it is handled after so many seconds.
_LOOK_S = 0.5

Job = TypeVar("Job")
Result = TypeVar("Result")


class Window(Generic[Job, Result]):
    """Runs jobs.

    Args:
        work: one job, in a thread.
        failed: the result of a job that raised, or for which no thread could be started.
        given_up: the result of a job that did not end in time.
        limit: so many at a time, at least 1.
        deadline_s: so many seconds for each.
    """

    def __init__(
        self,
        work: Callable[[Job], Result],
        *,
        failed: Callable[[Job, BaseException], Result],
        given_up: Callable[[Job], Result],
        limit: int,
        deadline_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._failed = failed
        self._given_up = given_up
        self._limit = limit
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._threads: set[threading.Thread] = set()

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """The results in the order of the jobs. An exception of the caller's own (Ctrl-C) ends it at once."""
        results: dict[int, Result] = {}
        running: dict[int, float] = {}  # deadlines, the earliest first since all jobs have the same time
        ended: SimpleQueue[tuple[int, Callable[[], Result]]] = SimpleQueue()
        following = 0
        while len(results) < len(jobs):
            while following < len(jobs) and len(running) < self._limit:
                try:
                    self._start(following, jobs[following], ended)
                except RuntimeError as error:  # the system gives no further thread
                    if running:
                        break
                    results[following] = self._failed(jobs[following], error)
                else:
                    running[following] = self._monotonic() + self._deadline_s
                following += 1
            if not running:
                continue
            first = next(iter(running))
            left_s = running[first] - self._monotonic()
            try:
                index, outcome = ended.get(timeout=min(max(0.0, left_s), _LOOK_S))
            except Empty:
                if left_s <= _LOOK_S:
                    del running[first]
                    results[first] = self._given_up(jobs[first])
                continue
            if running.pop(index, None) is not None:
                results[index] = outcome()
        return [results[index] for index in range(len(jobs))]

    def join(self, wait_s: float) -> None:
        """Wait until no job runs any more, for ``wait_s`` seconds at most."""
        deadline = self._monotonic() + wait_s
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - self._monotonic()))

    def _start(self, index: int, job: Job, ended: SimpleQueue[tuple[int, Callable[[], Result]]]) -> None:
        def body() -> None:
            try:
                result = self._work(job)
            except BaseException as error:  # noqa: BLE001 - whatever happens, the job has its result
                failure = error
                ended.put((index, lambda: self._failed(job, failure)))
            else:
                ended.put((index, lambda: result))
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=body, name=f"job-{index}", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise

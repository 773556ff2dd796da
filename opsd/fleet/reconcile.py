"""One pass over a whole fleet: every loop of the registry gets exactly one result (contract 60, 3.2 to 3.7).

What runs one loop is handed in; nothing here reads or writes a file.
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Mapping
from typing import Protocol

from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.loop_answer import LoopAnswer, no_outcome
from opsd.fleet.loop_result import LoopJob, LoopTime, loop_job, loop_result
from opsd.fleet.rollup import FleetOptions, fleet_state
from opsd.fleet.window import Window

#: A runner knows the deadline itself and says more about it; the window's own is a little later.
_GRACE_S = 5.0
#: How long an interrupted pass waits until what it started is gone, in seconds.
_END_S = 5.0


class LoopRunner(Protocol):
    """Reconciles one loop; called from several threads at once."""

    def run(self, job: LoopJob) -> LoopAnswer:
        """One pass of one loop, within the runner's deadline."""
        ...

    def close(self) -> None:
        """End what is still running, at once."""
        ...


def reconcile_fleet(
    repo: str,
    registry: JsonObject,
    options: FleetOptions,
    runner: LoopRunner,
    *,
    env: Mapping[str, str],
    deadline_s: float,
    clock: Callable[[], float] = clocks.time,
    monotonic: Callable[[], float] = clocks.monotonic,
) -> JsonObject:
    """The fleet's new state; ``registry`` is normalized, and its loop ids are safe.

    ``deadline_s`` is the time that a loop has. The runner is closed whatever happens.

    Raises:
        OpsError: the registry has no loops.
    """
    items = registry["loops"]
    if not items:
        runner.close()
        raise OpsError("fleet reconcile produced no loop results")
    if options.deterministic_order:
        items = sorted(items, key=lambda item: item["loopId"])
    begun: dict[str, tuple[float, float]] = {}

    def elapsed(started: tuple[float, float]) -> LoopTime:
        return LoopTime(started[0], clock(), monotonic() - started[1])

    def result(job: LoopJob, answer: LoopAnswer | None) -> JsonObject:
        return loop_result(repo, job, answer, elapsed(begun.get(job.loop_id) or (clock(), monotonic())))

    def work(job: LoopJob) -> JsonObject:
        begun[job.loop_id] = (clock(), monotonic())
        return result(job, None if job.refusal is not None else runner.run(job))

    window: Window[LoopJob, JsonObject] = Window(
        work,
        failed=lambda job, error: result(job, no_outcome(_why(error))),
        given_up=lambda job: result(job, no_outcome(gave_up(deadline_s))),
        limit=options.max_parallel,
        deadline_s=deadline_s + _GRACE_S,
        monotonic=monotonic,
    )
    started = (clock(), monotonic())
    try:
        results = window.run([loop_job(item, options.trace_id, env) for item in items])
    finally:
        runner.close()
        window.join(_END_S)
    return fleet_state(registry.get("fleetId"), options, elapsed(started), results)


def gave_up(deadline_s: float) -> str:
    """What is said of a loop that did not end in time."""
    return f"the reconcile of this loop did not end within {deadline_s:g} s and was given up"


def _why(error: BaseException) -> str:
    return error.message if isinstance(error, OpsError) else f"internal error: {type(error).__name__}"

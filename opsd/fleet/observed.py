"""The fleet's rollup from passes that a supervisor has made anyway (contract 60, 3.3 to 3.7).

Same results, same rollup as ``opsd fleet reconcile``; only who ran the pass differs, and each result says so:
``passSource`` and ``passAgeSeconds`` are additions of ours, and ``traceId``, ``startedAt``, ``timestamp`` and
``durationSeconds`` are those of the pass itself, so that they lead to the loop's own rows. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.loop_answer import LoopAnswer, no_outcome
from opsd.fleet.loop_result import LoopTime, loop_job, loop_result
from opsd.fleet.rollup import FleetOptions, fleet_state


class PassSource(StrEnum):
    """Where a loop's result comes from."""

    LATEST = "latest_pass"
    REQUESTED = "requested_pass"
    NONE = "no_pass"


@dataclass(frozen=True, slots=True)
class LoopPass:
    """How a pass ended; it is never changed afterwards."""

    answer: LoopAnswer
    time: LoopTime
    trace_id: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one loop: its pass, or why there is none. ``requested``: it was run for this rollup."""

    last: LoopPass | None = None
    requested: bool = False
    missing: str = "no pass over this loop has ended yet"


def observed_state(
    repo: str,
    registry: JsonObject,
    options: FleetOptions,
    observations: Mapping[str, Observation],
    time: LoopTime,
    *,
    env: Mapping[str, str],
) -> JsonObject:
    """The fleet's state; exactly one result for each loop of the normalized ``registry``, in its order.

    Args:
        env: where tokens are looked up, to tell a loop that cannot be reached for want of one.
        time: when the rollup began and ended.
    """
    results = [_result(repo, item, options, observations, time, env) for item in registry["loops"]]
    return fleet_state(registry.get("fleetId"), options, time, results)


def _result(
    repo: str,
    item: JsonObject,
    options: FleetOptions,
    observations: Mapping[str, Observation],
    time: LoopTime,
    env: Mapping[str, str],
) -> JsonObject:
    job = loop_job(item, options.trace_id, env)
    found = observations.get(job.loop_id, Observation())
    now = LoopTime(time.ended_at, time.ended_at, 0.0)
    if job.refusal is not None:
        return {**loop_result(repo, job, None, now), "passSource": PassSource.NONE.value}
    if found.last is None:
        return {**loop_result(repo, job, no_outcome(found.missing), now), "passSource": PassSource.NONE.value}
    last = found.last
    return {
        **loop_result(repo, replace(job, trace_id=last.trace_id), last.answer, last.time),
        "passSource": (PassSource.REQUESTED if found.requested else PassSource.LATEST).value,
        "passAgeSeconds": max(0, int(time.ended_at - last.time.ended_at)),
    }

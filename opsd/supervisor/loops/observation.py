"""When a loop is looked at, and how its events are followed: a pure decision (settings in, plan out).

Touching an idle sprite wakes it and costs its owner money, and an open connection keeps it awake. So ``auto`` holds a
stream only while the run is active, and resyncs loops that are finished or wait for somebody at a longer period.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.contract.reasons import RunStatus
from opsd.fleet.registry import ObserveMode

#: States in which the runtime writes events by itself.
ACTIVE_STATES = frozenset({RunStatus.RUNNING})
#: States that tell nothing yet: looked at like active ones until they do, but never through a stream in ``auto``.
UNSETTLED_STATES = frozenset({RunStatus.UNKNOWN})


class Follow(StrEnum):
    """How news of a loop comes in between its resyncs."""

    STREAM = "stream"
    POLL = "poll"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class ObservationPeriods:
    """Seconds between passes: of an active loop without a stream, of one with a stream, of an idle one.

    ``linger_s``: a loop that ceases to be active is followed on for so long, since a run writes its last lines behind
    what makes it look complete (contract 05, 4).
    """

    active_poll_s: float
    resync_s: float
    idle_resync_s: float
    linger_s: float = 15.0


@dataclass(frozen=True, slots=True)
class ObservationPlan:
    """How a loop is followed from here, and seconds until its next routine resync."""

    follow: Follow
    resync_s: float


def plan_observation(
    mode: ObserveMode,
    *,
    state: str | None,
    streamable: bool,
    free_to_watch: bool,
    periods: ObservationPeriods,
    lingering: bool = False,
) -> ObservationPlan:
    """Decide for one loop after a pass.

    Args:
        state: its lifecycle state, None when no pass has succeeded yet.
        streamable: its service offers a stream (or nobody has asked yet).
        lingering: it was active a moment ago.
        free_to_watch: watching costs nobody anything, as with files on this host: then it is always followed.
    """
    active = state in ACTIVE_STATES
    settled = state is not None and state not in UNSETTLED_STATES
    if free_to_watch:
        return ObservationPlan(Follow.STREAM, periods.resync_s)
    # Before the first pass nobody knows where the stream would have to begin.
    if mode is ObserveMode.STREAM and streamable and state is not None:
        return ObservationPlan(Follow.STREAM, periods.resync_s)
    if mode is ObserveMode.AUTO and active and streamable:
        return ObservationPlan(Follow.STREAM, periods.resync_s)
    if lingering:
        follow = Follow.STREAM if mode is ObserveMode.AUTO and streamable else Follow.POLL
        return ObservationPlan(follow, min(periods.resync_s, periods.linger_s / 3))
    if active or (mode is ObserveMode.STREAM and not streamable):
        return ObservationPlan(Follow.POLL, periods.active_poll_s)
    if settled:
        return ObservationPlan(Follow.IDLE, periods.idle_resync_s)
    return ObservationPlan(Follow.POLL, periods.resync_s)

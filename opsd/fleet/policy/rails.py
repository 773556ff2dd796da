"""Safety rails: what holds back a candidate that every gate lets through (contract 70, 9).

Invariant: one evaluation never declares more candidates eligible than ``maxActionsPerRun``, nor more of one loop than
``maxActionsPerLoop``; none under the kill switch; none whose autonomous cooldown still runs. Candidates are visited in
the order of :mod:`.candidates`; at most one rail, the first that applies, is named.

The caps are per evaluation and the cooldown is per candidate, so several evaluations, or a loop that changes its
category, may act again: whoever dispatches checks the loop once more (weakness 13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.policy.controls import Controls
from opsd.fleet.policy.cooldown import Cooldown
from opsd.fleet.policy.words import Reason


@dataclass(frozen=True, slots=True)
class Load:
    """What a rail looks at; the counts are of candidates declared eligible before this one."""

    controls: Controls
    cooldown: Cooldown
    in_run: int
    in_loop: int


class Rail(NamedTuple):
    """One rail: its reason, whether it holds back, and what it compared."""

    reason: Reason
    holds: Callable[[Load], bool]
    evidence: Callable[[Load], JsonObject]


RAILS: tuple[Rail, ...] = (
    Rail(
        Reason.KILL_SWITCH,
        lambda load: load.controls.kill_switch,
        lambda load: {"killSwitch": load.controls.kill_switch},
    ),
    Rail(
        Reason.COOLDOWN,
        lambda load: load.cooldown.active,
        lambda load: {"cooldownSeconds": load.controls.cooldown_s, "remainingSeconds": load.cooldown.remaining_s},
    ),
    Rail(
        Reason.RUN_CAP,
        lambda load: load.in_run >= load.controls.max_actions_per_run,
        lambda load: {"eligibleBefore": load.in_run, "maximum": load.controls.max_actions_per_run},
    ),
    Rail(
        Reason.LOOP_CAP,
        lambda load: load.in_loop >= load.controls.max_actions_per_loop,
        lambda load: {"eligibleBefore": load.in_loop, "maximum": load.controls.max_actions_per_loop},
    ),
)


def first_rail(load: Load) -> Reason | None:
    """The reason of the first rail that holds, None when the way is free."""
    return next((rail.reason for rail in RAILS if rail.holds(load)), None)

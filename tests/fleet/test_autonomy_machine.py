"""No history of runs, crashes, edits and wrong clocks leads past the rails of autonomy; see :mod:`.autonomy_world`.

Rules are what can happen; the invariants are held inside the world, at the moment when something is published or
dispatched. ``OPSD_PROPERTY_EXAMPLES=10000`` looks at ten times as many histories.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opsd.contract.errors import OpsError
from opsd.fleet.policy.cohort import cohort
from opsd.storage.fleet_parts import FleetDocument
from tests.fleet.autonomy_world import DAY, LOOPS, MANUAL, Turn, World
from tests.fleet.handoff_support import AUTONOMOUS

managers = st.sampled_from(["east", "west"])
turns = st.builds(
    Turn,
    exits=st.tuples(*[st.sampled_from([0, 0, 0, 1, 2])] * 3),
    crash_after=st.none() | st.integers(0, 18),
    edit_after=st.none() | st.integers(0, 18),
    edit=st.sampled_from(["kill", "pause", "review"]),
    intruder=st.booleans(),
    released=st.sampled_from([True, True, False]),
)
#: Mostly such as let something be dispatched, so that a history gets somewhere.
free = st.builds(Turn, exits=st.tuples(*[st.sampled_from([0, 1, 2])] * 3), released=st.just(True))
any_turn = free | turns


class Autonomy(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(kinds=st.tuples(*[st.sampled_from(["critical", "both", "failed"])] * len(LOOPS)))
    def all_loops_are_in_trouble(self, kinds: tuple[str, ...]) -> None:
        self.world.trouble = dict(zip(LOOPS, kinds, strict=True))

    @rule(name=managers, turn=any_turn)
    def a_manager_runs_the_steps_again(self, name: str, turn: Turn) -> None:
        self.world.cycle(name, turn)

    @rule(name=managers, turn=any_turn)
    def a_manager_runs_the_steps(self, name: str, turn: Turn) -> None:
        self.world.cycle(name, turn)

    @rule(loops=st.lists(st.sampled_from(LOOPS), min_size=1, max_size=4), name=managers, turn=any_turn)
    def loops_get_into_trouble_and_a_manager_sees_it(self, loops: list[str], name: str, turn: Turn) -> None:
        self.world.trouble.update(dict.fromkeys(loops, "both"))
        self.world.cycle(name, turn)

    @rule(loop=st.sampled_from(LOOPS), kind=st.sampled_from(["healthy", "critical", "failed", "both", "degraded"]))
    def a_loop_changes(self, loop: str, kind: str) -> None:
        self.world.trouble[loop] = kind

    @rule(name=managers, turn=any_turn)
    def a_person_evaluates_the_policy(self, name: str, turn: Turn) -> None:
        self._by_hand(lambda: self.world.policy(name, turn))

    @rule(name=managers, mode=st.sampled_from([None, MANUAL, AUTONOMOUS, AUTONOMOUS]), turn=any_turn)
    def a_person_plans_or_executes(self, name: str, mode: Any, turn: Turn) -> None:
        self._by_hand(lambda: self.world.handoff(name, mode, turn))

    @rule(seconds=st.sampled_from([0, 1, 59, 60, 61, 300, DAY]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(name=managers, seconds=st.sampled_from([-DAY, -61, -1, 0, 1, 30, 3600]))
    def a_clock_is_wrong(self, name: str, seconds: int) -> None:
        self.world.skew[name] = seconds

    @rule(
        key=st.sampled_from(["maxActionsPerRun", "maxActionsPerLoop", "cooldownSeconds"]),
        value=st.sampled_from([0, 1, 2, 3, 60]),
    )
    def a_cap_is_edited(self, key: str, value: int) -> None:
        self.world.safety[key] = value
        self.world.write_registry()

    @rule(kill=st.sampled_from([False, False, True]), pause=st.sampled_from([False, False, True]))
    def brakes_are_edited(self, kill: bool, pause: bool) -> None:
        self.world.safety["killSwitch"] = kill
        self.world.rollout["pause"] = {"manual": pause}
        self.world.write_registry()

    @rule(scope=st.lists(st.sampled_from(LOOPS), max_size=3, unique=True), salt=st.sampled_from(["s", "other"]))
    def the_rollout_is_edited(self, scope: list[str], salt: str) -> None:
        self.world.rollout |= {"scope": {"loopIds": scope}, "selector": {"salt": salt}}
        self.world.write_registry()

    @rule(before=st.integers(0, 100), more=st.integers(0, 100) | st.just(100), salt=st.text(max_size=5))
    def the_canary_is_raised(self, before: int, more: int, salt: str) -> None:
        after = min(100, before + more)
        for loop in LOOPS:
            was = cohort(loop, salt=salt, canary_percent=before, scope=())
            now = cohort(loop, salt=salt, canary_percent=after, scope=())
            assert now.in_cohort or not was.in_cohort, "a raised canary dropped a loop"
        self.world.rollout["canaryPercent"] = after
        self.world.write_registry()

    @rule(enabled=st.booleans(), sample=st.integers(1, 3), lookback=st.integers(1, 5))
    def auto_pause_is_edited(self, enabled: bool, sample: int, lookback: int) -> None:
        self.world.rollout["autoPause"] = {
            "enabled": enabled,
            "minSampleSize": sample,
            "lookbackExecutions": lookback,
            "ambiguityRateThreshold": 0.5,
            "failureRateThreshold": 0.5,
        }
        self.world.write_registry()

    @rule(
        mode=st.sampled_from(["guarded_auto", "guarded_auto", "advisory"]),
        window=st.sampled_from([0, 0, 300]),
        days=st.sampled_from([1, 30]),
    )
    def the_policy_is_edited(self, mode: str, window: int, days: int) -> None:
        self.world.mode, self.world.window_s, self.world.review_in_s = mode, window, days * DAY
        self.world.write_registry()

    @rule()
    def the_handoff_state_is_lost(self) -> None:
        self.world.disk.parts.pop(FleetDocument.HANDOFF, None)

    @rule()
    def the_registry_is_half_written(self) -> None:
        self.world.disk.parts[FleetDocument.REGISTRY] = b'{"schemaVersion": "v1", "lo'
        self.world.cycle("east", Turn())
        self.world.write_registry()

    @invariant()
    def nobody_holds_the_lock_between_runs(self) -> None:
        assert self.world.disk.holder is None

    def _by_hand(self, work: Any) -> None:
        try:
            work()
        except OpsError:
            self.world.disk.holder = None  # refused, as a command is


Autonomy.TestCase.settings = settings(
    max_examples=int(os.environ.get("OPSD_PROPERTY_EXAMPLES", "1000")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class TestAutonomy(Autonomy.TestCase):  # type: ignore[name-defined, misc]
    """Collected by pytest under this name."""

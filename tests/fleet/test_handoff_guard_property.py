"""The retry guard and the brakes over any history of plans, executions, edits and crashes.

Invariants, each checked at the moment of every autonomous dispatch:

* no dispatch of an intent whose last dispatch ended ambiguous or failed, or whose outcome never reached the disk,
  unless a person has executed it since, with the outcome ``executed``;
* no second dispatch, under one evaluation of the policy, of what a run that died had executed, unless a person has;
* none while kill switch or manual pause stand in the registry, also when they were set a moment ago;
* nothing that is not in the record of attempts yet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import DispatchRequest
from opsd.fleet.handoff.words import ExecutionMode
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from tests.fleet.handoff_support import AUTONOMOUS, MANUAL, Crash, Fleet, candidate, policy, registry

LOOPS = ("a", "b", "c")


@dataclass(frozen=True)
class Run:
    """One step of a history: a run, with the world as it is at that time."""

    mode: ExecutionMode | None
    exits: tuple[int, ...]
    suppressed: frozenset[str]
    evaluated: bool
    brake: bool
    brake_after: int | None
    crash_after: int | None
    lost_state: bool = False


runs = st.builds(
    Run,
    mode=st.sampled_from([None, MANUAL, AUTONOMOUS, AUTONOMOUS]),
    exits=st.tuples(*[st.sampled_from([0, 0, 1, 2])] * len(LOOPS)),
    suppressed=st.frozensets(st.sampled_from(LOOPS), max_size=2),
    evaluated=st.booleans(),
    brake=st.sampled_from([False, False, True]),
    brake_after=st.none() | st.integers(0, 2),
    crash_after=st.none() | st.integers(0, 13),
    lost_state=st.sampled_from([False, False, False, True]),
)


@dataclass
class World:
    """Plays a history and holds the invariants against what really happens."""

    fleet: Fleet = field(default_factory=lambda: Fleet(policy(), registry(*LOOPS)))
    barred: set[str] = field(default_factory=set)
    #: Executed by a run that died, with the evaluation that had led to it.
    held: set[tuple[str, int]] = field(default_factory=set)
    evaluation: int = 0
    dispatches: int = 0
    steps_left: int | None = None

    def play(self, run: Run) -> None:
        """One run; a crash ends it and nothing else."""
        self.evaluation += run.evaluated
        if run.lost_state:
            self.fleet.store.parts.pop(FleetDocument.HANDOFF, None)
        self.fleet.policy = policy(
            *(candidate(loop, suppressed=loop in run.suppressed) for loop in LOOPS),
            updatedAt=f"evaluation {self.evaluation}",
        )
        self.fleet.registry = registry(*LOOPS, kill=run.brake)
        self.fleet.answers = dict(zip(LOOPS, run.exits, strict=True))
        self.fleet.store.tick = self._tick
        self.fleet.on_call = lambda request: self._dispatched(request, run)
        self.steps_left, self.dispatches = run.crash_after, 0
        seen = len(self.fleet.store.rows(FleetLog.HANDOFF_ATTEMPTS))
        ended = True
        try:
            self.fleet.run(run.mode)
        except Crash:
            ended = False
        self._learn(self.fleet.store.rows(FleetLog.HANDOFF_ATTEMPTS)[seen:], ended)

    def _tick(self, _what: str) -> None:
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Crash
            self.steps_left -= 1

    def _dispatched(self, request: DispatchRequest, run: Run) -> None:
        _, mode, intent_id = request.note.split(":", 2)
        attempt = self.fleet.store.rows(FleetLog.HANDOFF_ATTEMPTS)[-1]
        assert attempt["intentId"] == intent_id, "dispatched before it was on disk"
        if mode == AUTONOMOUS:
            assert intent_id not in self.barred, "dispatched again without a person"
            assert (intent_id, self.evaluation) not in self.held, "executed twice by one evaluation"
            assert not self.fleet.registry["policy"]["autonomous"]["safety"]["killSwitch"], "kill switch"
        self.dispatches += 1
        self.barred.add(intent_id)
        if self.dispatches - 1 == run.brake_after:
            self.fleet.registry = registry(*LOOPS, kill=True)

    def _learn(self, rows: list[JsonObject], ended: bool) -> None:
        for row in rows:
            if row.get("status") == "executed":
                self.barred.discard(row["intentId"])
                held = (row["intentId"], self.evaluation)
                if row["mode"] == MANUAL:
                    self.held.discard(held)
                elif not ended:
                    self.held.add(held)


@settings(max_examples=int(os.environ.get("OPSD_PROPERTY_EXAMPLES", "1000")), deadline=None)
@given(st.lists(runs, max_size=8))
def test_no_history_leads_to_a_dispatch_that_the_rails_forbid(history: list[Run]) -> None:
    world = World()
    for run in history:
        world.play(run)

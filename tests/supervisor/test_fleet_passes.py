"""A fresh pass is taken as it is; an old one is made anew; whoever gives none in time has failed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from opsd.fleet.loop_answer import LoopAnswer
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import LoopPass, Observation
from opsd.supervisor.fleet.passes import FleetPasses
from opsd.supervisor.loops.managed_loop import Knowledge
from opsd.supervisor.tasks.workqueue import WorkQueue

NOW = 1_780_000_000.0


def _pass(age_s: float, trace: str = "t") -> LoopPass:
    return LoopPass(LoopAnswer(True, {}), LoopTime(NOW - age_s, NOW - age_s, 0.0), trace)


@dataclass
class Loop:
    """As much of a supervised loop as is looked at."""

    knowledge: Knowledge = field(default_factory=Knowledge)
    stuck: bool = False

    def next_pass(self) -> asyncio.Future[LoopPass]:
        future: asyncio.Future[LoopPass] = asyncio.get_running_loop().create_future()
        self.knowledge.waiting.append(future)
        return future


def _world(loops: dict[str, Any]) -> tuple[FleetPasses, WorkQueue]:
    queue = WorkQueue()
    passes = FleetPasses(
        SimpleNamespace(fleet=loops, look_now=lambda: None), lambda: {"bad": "no address"}, queue, clock=lambda: NOW
    )
    return passes, queue


async def test_a_fresh_pass_asks_for_nothing() -> None:
    fresh = _pass(59)
    passes, queue = _world({"a": Loop(Knowledge(last_pass=fresh))})
    assert await passes.observe(["a"], max_age_s=60, wait_s=1) == {"a": Observation(fresh)}
    assert sum(queue.depth.values()) == 0


async def test_an_old_or_missing_pass_is_made_anew() -> None:
    old, new = Loop(Knowledge(last_pass=_pass(61))), Loop()
    passes, queue = _world({"old": old, "new": new})
    asked = asyncio.create_task(passes.observe(["old", "new"], max_age_s=60, wait_s=60))
    for _ in range(2):
        name = (await queue.get()).key
        {"old": old, "new": new}[name].knowledge.ended(_pass(0, name))
    assert await asked == {name: Observation(_pass(0, name), True) for name in ("old", "new")}


async def test_a_loop_that_was_just_added_is_waited_for() -> None:
    loops: dict[str, Any] = {}
    passes, _queue = _world(loops)
    asked = asyncio.create_task(passes.observe(["a"], max_age_s=60, wait_s=60))
    await asyncio.sleep(0)
    loops["a"] = Loop(Knowledge(last_pass=_pass(0)))
    assert await asked == {"a": Observation(_pass(0))}


async def test_who_cannot_be_looked_at_is_told_of() -> None:
    passes, _queue = _world({"stuck": Loop(stuck=True), "slow": Loop()})
    found = await passes.observe(["stuck", "slow", "bad", "gone"], max_age_s=60, wait_s=0)
    assert {name: one.last for name, one in found.items()} == dict.fromkeys(found)
    assert found["bad"].missing == "no address"
    assert "outlived its deadline" in found["stuck"].missing
    assert "did not end within 0 s" in found["slow"].missing
    assert found["gone"].missing == "the loop is not supervised yet"

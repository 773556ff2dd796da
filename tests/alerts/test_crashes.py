"""A dispatcher that is killed (``kill -9``) at every boundary of its steps loses nothing (contract 50, R5 and 12.4).

What is asked after each death and the run that follows it: every row was told, every end was told, nothing of it under
two ids; again only with the same id, and only if the process died between its request and the outcome on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.alerts.failpoints import POINTS, Forks, forks
from tests.alerts.timeline import QUICK, Receiver, Timeline, stamp

FAST = {"rateLimit": {"perSecond": 10000, "burst": 10000}, "retry": QUICK}

#: Every boundary of every step.
EDGES = [f"{edge} {point}" for point in POINTS for edge in ("before", "after")]
#: Those that may lie between a request and its outcome on disk.
MAY_REPEAT = {
    "after request",
    "before attempt row",
    "after attempt row",
    "before journal",
    "before rename",
    "after rename",
}


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks")) as found:
        yield found


class Dispatcher:
    """Runs of the dispatcher on a timeline's loop."""

    def __init__(self, line: Timeline, fork: Forks) -> None:
        self._line, self._fork = line, fork

    async def runs(self) -> None:
        """A run that ends well."""
        await self._fork.start("alerts", "dispatch", *self._line.target, env=self._line.env)
        assert await self._fork.ended()

    async def dies(self, point: str, number: int) -> bool:
        """A run that dies where it is told to; False when it did not get there."""
        argv = ("alerts", "dispatch", *self._line.target)
        await self._fork.start(*argv, env=self._line.env, point=point, number=number)
        return not await self._fork.ended()


@pytest.fixture
async def dispatcher(line: Timeline, fork: Forks) -> Dispatcher:
    return Dispatcher(line, fork)


def _check(desk: Receiver, expected: Counter[tuple[str, bool]], *, repeats: int) -> None:
    """Everything was told; at most so many repeats, each with the id of its first."""
    told: dict[tuple[str, bool], Counter[str]] = {}
    for arrival in desk.arrivals:
        told.setdefault((arrival.category, arrival.resolves), Counter())[arrival.id] += 1
    assert {what: len(ids) for what, ids in told.items()} == dict(expected)
    assert sum(ids.total() - len(ids) for ids in told.values()) <= repeats, told


@pytest.mark.parametrize("edge", EDGES)
async def test_no_row_is_lost_or_told_under_two_ids(line: Timeline, dispatcher: Dispatcher, edge: str) -> None:
    desk = await line.receiver("desk", **FAST)
    await line.play_only()
    number, died = 0, True
    while died:
        number += 1
        line.write_row("health_critical", timestamp=stamp(number))
        line.write_row("divergence_detected", timestamp=stamp(number))
        died = await dispatcher.dies(edge, number)
        await dispatcher.runs()
        expected = Counter({("health_critical", False): number, ("divergence_detected", False): number})
        _check(desk, expected, repeats=number if edge in MAY_REPEAT else 0)
        assert (line.state["delivery"]["pendingCount"], line.journal) == (0, [])


@pytest.mark.parametrize("edge", EDGES)
async def test_a_beginning_and_its_end_in_one_run_are_both_told(
    line: Timeline, dispatcher: Dispatcher, edge: str
) -> None:
    desk = await line.receiver("desk", **FAST)
    await line.play_only()
    number, died = 0, True
    while died:
        number += 1
        line.write_row("health_critical", timestamp=stamp(2 * number))
        line.write_document("health.json", {"status": "healthy", "updatedAt": stamp(2 * number + 1)})
        died = await dispatcher.dies(edge, number)
        await dispatcher.runs()
        await dispatcher.runs()
        expected = Counter({("health_critical", False): number, ("health_critical", True): number})
        _check(desk, expected, repeats=number if edge in MAY_REPEAT else 0)
        assert line.incidents == {}


@pytest.mark.parametrize("edge", EDGES)
async def test_the_end_of_an_earlier_incident_is_told_once(line: Timeline, dispatcher: Dispatcher, edge: str) -> None:
    desk = await line.receiver("desk", **FAST)
    await line.play_only()
    number, died = 0, True
    while died:
        number += 1
        line.write_row("health_critical", timestamp=stamp(2 * number))
        await dispatcher.runs()
        line.write_document("health.json", {"status": "healthy", "updatedAt": stamp(2 * number + 1)})
        died = await dispatcher.dies(edge, number)
        await dispatcher.runs()
        await dispatcher.runs()
        expected = Counter({("health_critical", False): number, ("health_critical", True): number})
        _check(desk, expected, repeats=number if edge in MAY_REPEAT else 0)


@pytest.mark.parametrize("edge", ["before dead letter", "after dead letter", "before journal", "after journal"])
async def test_a_delivery_that_is_given_up_has_one_dead_letter(
    line: Timeline, dispatcher: Dispatcher, edge: str
) -> None:
    await line.receiver("desk", 400, **FAST)
    line.push("health_critical")
    await line.play_only()
    for number in (1, 2, 3):
        await dispatcher.dies(edge, number)
    await dispatcher.runs()
    listed = await line.command("alerts", "dispatch", *line.target, "--list-dead-letters")
    assert listed.json["count"] == 1
    assert line.state["delivery"]["pendingCount"] == 0


#: How many pairs; the full test, a minute, has a thousand and runs in CI.
PAIRS = int(os.environ.get("OPSD_TEST_ALERT_PAIRS") or ("1000" if os.environ.get("CI") == "true" else "200"))


async def test_pairs_of_beginnings_and_ends_survive_kills_at_random_moments(line: Timeline, fork: Forks) -> None:
    desk = await line.receiver("desk", **FAST)
    line.delivery = {"resolveAfterSeconds": 0.001}
    await line.play_only()
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    written = kills = 0
    while written < PAIRS or line.journal or not line.is_through():
        for _ in range(min(PAIRS - written, 20)):
            line.write_row(f"c{written}", timestamp=None)
            written += 1
        pid = await fork.start("alerts", "dispatch", *line.target, env=line.env)
        ended = asyncio.ensure_future(fork.ended())
        enough = len(desk.arrivals) + dice.randrange(1, 50)
        while not ended.done() and len(desk.arrivals) < enough:
            await asyncio.sleep(0.001)
        if not ended.done():
            await asyncio.sleep(dice.random() * 0.01)  # anywhere in what follows a request
            with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
                os.kill(pid, signal.SIGKILL)
        kills += not await ended
    expected = Counter({(f"c{number}", ends): 1 for number in range(PAIRS) for ends in (False, True)})
    _check(desk, expected, repeats=kills)
    assert kills, f"seed {seed}"

"""What one principal can use up: its share, a loop's own places, and nothing of what ends a danger."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from opsd.access.authenticate import Identity
from opsd.access.model import Scope
from opsd.api import shares as shares_module
from opsd.api.failure import NotBegunError
from opsd.api.shares import ANYBODY, Holders, Place, Shares
from opsd.supervisor.loops.reads import MAX_ASKING
from tests.api.world import ApiWorld
from tests.daemon.support import remote, write_registry

Answers = Sequence[tuple[int, Any]]

#: Of a loop: holds its place until the loop's sprite service answers.
_SLOW = "/loops/{}/events?cursor=7"


class SilentSprite:
    """Takes requests and answers none until it is let go on, altogether or for one loop."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        #: The loops of requests that no pass would make, as :data:`_SLOW` leads to.
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self._let_go: dict[str, asyncio.Event] = {}

    def for_loop(self, loop: str) -> asyncio.Event:
        """Set it, and requests about the loop are answered."""
        return self._let_go.setdefault(loop, asyncio.Event())

    async def answer(self, request: web.Request) -> web.Response:
        loop = request.query.get("loopId", "")
        if request.query.get("cursor") == "7":
            self.asked.append(loop)
        events = (self.go_on, self.for_loop(loop))
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return web.Response(status=500)

    def is_asked(self, times: int) -> Callable[[], Awaitable[bool]]:
        """Whether it was asked so often, but for passes."""

        async def asked() -> bool:
            return len(self.asked) >= times

        return asked

    @asynccontextmanager
    async def listening(self, addresses: int = 1) -> AsyncIterator[None]:
        """At so many addresses: few requests go to one at a time."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            for _ in range(addresses):
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.urls = [f"http://127.0.0.1:{port}" for _, port in runner.addresses]
            yield
        finally:
            self.go_on.set()
            await runner.cleanup()


class Move(Enum):
    ASK = 0
    ASK_FOR_ALL = 1
    END = 2


class Crowd:
    """Principals who ask for all that they can get, and then wait."""

    def __init__(self, places: int, principals: int) -> None:
        self.holders = Holders(places)
        self.names = [ANYBODY, *(f"p{number}" for number in range(1, principals))]

    def ask(self, name: str) -> bool:
        if self.holders.may_take(name, len(self.names)):
            self.holders.take(name)
            return True
        if self.holders.may_wait(name):
            self.holders.waiting.append(name)
        return False

    def end(self, name: str) -> None:
        self.holders.give_back(name)
        while self.holders.hand_on(len(self.names)) is not None:
            pass

    def drive(self, moves: Sequence[tuple[int, Move]], ends: Callable[[str], bool] = lambda _name: True) -> None:
        for number, move in moves:
            name = self.names[number % len(self.names)]
            if move is Move.END:
                if name in self.holders.held and ends(name):
                    self.end(name)
            else:
                while self.ask(name) and move is Move.ASK_FOR_ALL:
                    pass


_CROWDS = st.builds(Crowd, st.integers(1, 24), st.integers(1, 12))
_MOVES = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(Move)), max_size=60)
_Moves = Sequence[tuple[int, Move]]


@given(_CROWDS, _MOVES)
def test_nobody_holds_more_than_half_and_all_together_no_more_than_there_are(crowd: Crowd, moves: _Moves) -> None:
    crowd.drive(moves)
    held, places = crowd.holders.held, crowd.holders.places
    assert sum(held.values()) <= places
    assert all(0 < count <= max(1, places // 2) for name, count in held.items() if name != ANYBODY)


@given(st.integers(1, 12), st.integers(0, 24), _MOVES)
def test_who_holds_none_gets_a_place_at_once_among_half_as_many_principals_as_places(
    principals: int, more: int, moves: _Moves
) -> None:
    crowd = Crowd(2 * principals + more, principals)
    crowd.drive(moves)
    for name in crowd.names:
        assert name in crowd.holders.held or crowd.holders.may_take(name, principals)


@given(_CROWDS, _MOVES, st.integers(0, 11), st.lists(_MOVES, max_size=30))
def test_who_holds_fewer_has_its_turn_once_what_came_before_has_ended(
    crowd: Crowd, before: _Moves, modest: int, meanwhile: list[_Moves]
) -> None:
    """Whatever the others do meanwhile: they ask before it each time, and end what they have just begun."""
    crowd.drive(before)
    holders, name = crowd.holders, crowd.names[modest % len(crowd.names)]
    has = holders.held.get(name, 0)
    if crowd.ask(name) or name not in holders.waiting:
        return
    older = Counter(holders.held) + Counter(holders.waiting)
    del older[name]
    crowd.names.remove(name)
    crowd.names.append(name)  # its number is beyond those of the moves
    moves = iter(meanwhile)

    def is_newer(one: str) -> bool:
        return holders.held[one] > older[one]

    while name in holders.waiting and older.total():
        others = [(number % (len(crowd.names) - 1), move) for number, move in next(moves, ())]
        crowd.drive(others, is_newer)
        ending = next(iter(older))
        older[ending] -= 1
        if not older[ending]:
            del older[ending]
        if ending in holders.held:
            crowd.end(ending)
    assert name not in holders.waiting or max(holders.held.values()) <= has


def test_what_is_given_back_goes_to_who_holds_fewest_of_those_who_wait() -> None:
    crowd = Crowd(8, 3)
    crowd.names = ["ann", "bob", "cal"]
    for name in ("ann",) * 4 + ("bob",) * 3 + ("cal",):
        assert crowd.ask(name)
    for name in ("ann", "bob", "cal"):
        assert not crowd.ask(name)
    crowd.end("ann")
    assert crowd.holders.held == {"ann": 3, "bob": 3, "cal": 2}
    crowd.end("ann")
    assert crowd.holders.held == {"ann": 2, "bob": 4, "cal": 2}


def _named(name: str) -> Identity:
    return Identity(name, frozenset({Scope.READ}), credential=f"tok_{name}")


async def _holding(shares: Shares, name: str, until: asyncio.Event) -> None:
    async with shares.holding(Place.READ, _named(name)):
        await until.wait()


async def test_a_principal_holds_half_at_most_and_nobody_elses_share() -> None:
    shares = Shares({Place.READ: 2}, lambda: 2)
    async with shares.holding(Place.READ, _named("eve")):
        with pytest.raises(NotBegunError, match="too many requests of one principal"):
            await shares.holding(Place.READ, _named("eve")).__aenter__()
        async with shares.holding(Place.READ, _named("ann")), shares.holding(Place.URGENT, _named("eve")):
            pass
    async with shares.holding(Place.READ, _named("eve")):
        pass


async def test_a_turn_comes_goes_by_and_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, first, second = Shares({Place.READ: 2}, lambda: 9), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        holders = [group.create_task(_holding(shares, name, end)) for name, end in (("eve", first), ("bob", second))]
        await asyncio.sleep(0)
        waiting = group.create_task(_holding(shares, "ann", second))
        given_up = asyncio.create_task(_holding(shares, "cal", second))
        await asyncio.sleep(0)
        monkeypatch.setattr(shares_module, "TURN_S", 0.01)
        with pytest.raises(NotBegunError, match="too many requests at a time"):
            await _holding(shares, "dan", second)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        first.set()
        await holders[0]
        with pytest.raises(NotBegunError):
            await _holding(shares, "ann", second)  # it has had its turn: both places are taken
        assert not waiting.done()
        second.set()
    async with shares.holding(Place.READ, _named("eve")), shares.holding(Place.READ, _named("cal")):
        pass


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_turn_that_comes_as_it_is_given_up_goes_to_the_next(steps: int) -> None:
    """One step of the event loop after the place is given back the turn has come, and who waits does not know yet."""
    shares, first, second = Shares({Place.READ: 1}, lambda: 9), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(_holding(shares, "eve", first))
    await asyncio.sleep(0)
    given_up, served = (asyncio.create_task(_holding(shares, name, second)) for name in ("ann", "bob"))
    await asyncio.sleep(0)
    first.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    second.set()
    await asyncio.gather(holder, served)
    async with shares.holding(Place.READ, _named("ann")):
        pass


async def test_a_sprite_that_does_not_answer_takes_few_places(tmp_path: Path) -> None:
    world, desk = ApiWorld(tmp_path, "alpha"), SilentSprite()
    world.principal("eve", Scope.READ, loops=("web-*",))
    async with desk.listening():
        write_registry(world.repo, remote("web-1", desk.urls[0]))
        async with world.running() as running:
            eve = world.client(running, "eve")
            asking = [asyncio.create_task(eve.get("/loops/web-1/events")) for _ in range(MAX_ASKING + 3)]
            refused = await _first(asking, 3)
            assert {(status, body["error"]["code"]) for status, body in refused} == {(503, "busy")}
            desk.go_on.set()
            answers: Answers = await asyncio.gather(*asking)
            assert sorted(status for status, _ in answers) == [409] * MAX_ASKING + [503] * 3


async def test_a_modest_principal_is_answered_whatever_the_greedy_hold(tmp_path: Path) -> None:
    world, desk = ApiWorld(tmp_path, "alpha"), SilentSprite()
    greedy, loops = ("eve", "mallory", "trudy"), [f"web-{number}" for number in range(12)]
    for name in (*greedy, "ann"):
        world.principal(name, Scope.READ)
    async with desk.listening(len(loops) + 1):
        write_registry(world.repo, *map(remote, (*loops, "slow"), desk.urls))
        async with world.running("--http-max-requests", "12") as running:
            ann = world.client(running, "ann")
            asking = [
                asyncio.create_task(world.client(running, name).get(_SLOW.format(loop)))
                for name in greedy
                for loop in loops
            ]
            # Two places are kept: for ann, and for whoever has no token.
            await running.until(desk.is_asked(10))
            for _ in range(5):
                assert (await ann.get("/identity"))[0] == 200
            slow = asyncio.create_task(ann.get(_SLOW.format("slow")))
            await running.until(desk.is_asked(11))
            further = asyncio.create_task(ann.get("/identity"))
            for loop in list(dict.fromkeys(desk.asked))[: len(greedy)]:  # nobody has more than one turn before hers
                desk.for_loop(loop).set()
            assert (await further)[0] == 200
            assert not slow.done()
            assert not all(task.done() for task in asking)
            desk.go_on.set()
            refused = [body for status, body in await asyncio.gather(*asking) if status == 503]
            assert {body["error"]["code"] for body in refused} == {"busy"}


async def test_the_kill_switch_has_a_place_when_all_others_are_taken(tmp_path: Path) -> None:
    world, desk = ApiWorld(tmp_path, "alpha"), SilentSprite()
    world.principal("eve", Scope.READ)
    world.principal("mallory", Scope.READ)
    world.principal("ann", Scope.POLICY, Scope.ADMIN)
    async with desk.listening():
        write_registry(world.repo, remote("web-1", desk.urls[0]))
        async with world.running("--http-max-requests", "2") as running:
            ann = world.client(running, "ann")
            asking = [
                asyncio.create_task(world.client(running, name).get(_SLOW.format("web-1")))
                for name in ("eve", "mallory")
            ]
            await running.until(desk.is_asked(2))
            waiting = asyncio.create_task(ann.get("/identity"))
            for path in ("/healthz", "/readyz", "/metrics"):
                async with running.session.get(path) as response:
                    assert response.status == 200, path
            assert (await ann.post("/fleet/kill-switch", {"engaged": True}))[0] == 200
            assert (await ann.post("/fleet/pause"))[0] == 200
            assert (await ann.post("/tokens/tok_0000000000000000/revoke"))[0] == 200
            assert not waiting.done()
            desk.go_on.set()
            assert (await waiting)[0] == 200
            await asyncio.gather(*asking)


async def _first(asking: Sequence[asyncio.Task[tuple[int, Any]]], count: int) -> Answers:
    """The answers of so many that are answered first."""
    async with asyncio.timeout(60):
        while len(done := [task.result() for task in asking if task.done()]) < count:
            await asyncio.wait([task for task in asking if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    return done

"""``opsd watch``: a real daemon's stream across restarts and cut connections, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.api.stream import KEEPALIVE_S
from opsd.cli.client.change_stream import SILENCE_S
from tests.api.world import ApiWorld
from tests.cli.process import on_a_terminal
from tests.cli.watch_support import HEAD, Relay, Watch, event, server, watch
from tests.ports import free_port


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A process that is started where SIGINT is ignored would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def taken_in(count: int) -> Callable[[Any], bool]:
    return lambda view: bool(view["cursor"]["eventLineOffset"] == count)


def test_silence_is_several_keep_alives() -> None:
    assert SILENCE_S >= 3 * KEEPALIVE_S


async def test_it_goes_on_across_a_restart_of_the_daemon_and_tells_of_the_gap(tmp_path: Path) -> None:
    world, port = ApiWorld(tmp_path, "alpha", "beta"), str(free_port())
    async with watch_of_a_daemon(world, port) as (watching, running):
        world.live["alpha"].append("iteration_start")
        first = await watching.until("loop", taken_in(1))
        assert first["data"]["loopId"] == "alpha"
        assert running.stop() == 0
        lost = await watching.until("disconnected")
        assert lost["data"] == {"reason": "the daemon ended the stream: shutdown"}
        assert lost["id"].partition("-")[0] == first["id"].partition("-")[0]
        async with world.running("--http-port", port):
            gap = await watching.until("gap")
            assert gap["id"].partition("-")[0] != first["id"].partition("-")[0]
            world.live["alpha"].append("iteration_start")
            await watching.until("loop", taken_in(2))
            watching.process.send_signal(signal.SIGINT)
            assert (await watching.ended())[::2] == (0, "")


@asynccontextmanager
async def watch_of_a_daemon(world: ApiWorld, port: str) -> AsyncIterator[tuple[Watch, Any]]:
    """This host's daemon, and a watch that it has greeted."""
    async with world.running("--http-port", port) as running, watch(OPSD_HTTP__PORT=port) as watching:
        assert (await watching.line())["kind"] == "hello"
        yield watching, running


async def test_what_a_cut_connection_missed_is_caught_up_with(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        await running.until_state("alpha", "running", 0)
        async with Relay.to(running.url) as relay, watch("--server", relay.url, "--loop", "alpha") as watching:
            await watching.until("hello")
            world.live["alpha"].append("iteration_start")
            await watching.until("loop", taken_in(1))
            relay.open = False
            relay.cut()
            await watching.until("disconnected")
            world.live["alpha"].append("iteration_start")
            await running.until_state("alpha", "running", 2)
            relay.open = True
            while not ((heard := await watching.line())["kind"] == "loop" and taken_in(2)(heard["data"])):
                assert heard["kind"] in ("hello", "loop"), "a second has passed, and the lag is another"


async def test_changes_are_told_by_kind_and_so_many(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        ann = world.client(running, "ann")
        limits = ("--kind", "operation", "--kind", "loop_gone", "--max-changes", "2")
        async with watch("--server", running.url, *limits, OPSD_API_TOKEN=token) as watching:
            await watching.until("hello")
            world.live["alpha"].append("iteration_start")
            for _ in range(3):
                assert (await ann.post("/loops/alpha/reconcile"))[0] == 200
            code, out, err = await watching.ended()
        assert (code, err) == (0, "")
        told = [json.loads(line) for line in out.splitlines()]
        assert [one["kind"] for one in told] == ["operation"] * 2
        assert told[0]["data"] == {
            "action": "reconcileLoop",
            "principal": "ann",
            "status": 200,
            "loop": "alpha",
        }


async def test_it_ends_when_its_time_is_up_also_where_nothing_happens() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("hello", {}))
        await writer.drain()

    async with server(silent) as url:
        for length in ("1s", "5s", "60s"):  # a machine may be too slow to be greeted within the first
            async with watch("--server", url, "--for", length) as watching:
                code, out, err = await watching.ended()
            assert (code, err) == (0, "")
            if out:
                break
    assert json.loads(out)["kind"] == "hello"


async def test_a_token_that_is_wrong_or_revoked_ends_it(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.READ)
    async with world.running() as running:
        async with watch("--server", running.url, OPSD_API_TOKEN="opsd_wrong") as watching:
            code, out, err = await watching.ended()
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert "opsd_wrong" not in err

    async def revoked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("hello", {}) + event("end", {"reason": "unauthorized"}))
        await writer.drain()

    async with server(revoked) as url, watch("--server", url) as watching:
        await watching.until("hello")
        assert await watching.ended() == (1, "", "error: the token does not work any more\n")


async def test_where_nobody_listens_at_first_it_ends() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with watch("--server", url) as watching:
        assert await watching.ended() == (1, "", f"error: no answer from {url}: Connection refused\n")


async def test_on_a_terminal_it_is_a_line_for_each_change_and_none_of_them_is_obeyed() -> None:
    evil = event("loop", {"loopId": "\x1b[2J[bold]a[/bold]", "state": "running"}, "f00-2")

    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("hello", {}) + evil)
        await writer.drain()

    async with server(say) as url:
        code, shown = await on_a_terminal("watch", "--server", url, "--max-changes", "1")
    assert code == 0
    connected, change = (line.strip() for line in shown.splitlines())
    assert "connected" in connected
    assert change.endswith("loop \\x1b[2J[bold]a[/bold]  running")

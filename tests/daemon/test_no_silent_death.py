"""Every long-lived task of the daemon made to raise, to hang, to return early, to block the event loop: all are seen.

The daemon runs inside the test, so that one body can be replaced; everything around it is real.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opsd.supervisor import logs
from opsd.supervisor.daemon import Daemon
from opsd.supervisor.settings.load import load_settings
from opsd.supervisor.tasks.supervisor import Heartbeat, TaskSupervisor
from tests.daemon.support import PATIENCE_S, LiveLoop, whole_lines

TASKS = [
    "worker-0",
    "registry",
    "file-watcher",
    "event-loop-lag",
    "watchdog",
    "follower:demo",
    "alerts-0",
    "alerts-watch",
]
#: Soon over, where a task is made to fail.
DEADLINE_S = 0.3
#: Where none may: no busy machine keeps a task waiting for so long.
UNHURRIED_S = 4.0

Fault = Callable[[Heartbeat], Awaitable[None]]


async def raises(_heartbeat: Heartbeat) -> None:
    raise RuntimeError("made to fail")


async def hangs(_heartbeat: Heartbeat) -> None:
    await asyncio.Event().wait()


async def returns(_heartbeat: Heartbeat) -> None:
    return


def faulty_start(task: str, fault: Fault) -> Callable[..., Any]:
    """``TaskSupervisor.start`` that gives ``task`` another body."""
    real = TaskSupervisor.start

    def start(self: TaskSupervisor, name: str, body: Any, **options: Any) -> Any:
        return real(self, name, fault if name == task else body, **options)

    return start


class Running:
    """The daemon's listener, and what it logged."""

    def __init__(self, session: aiohttp.ClientSession, logged: Path) -> None:
        self.session = session
        self._logged = logged

    async def reasons(self) -> list[str]:
        async with self.session.get("/readyz") as response:
            body = await response.json()
            assert (response.status == 200) is body["ok"]
            found: list[str] = body["reasons"]
            return found

    async def count(self, metric: str) -> float:
        async with self.session.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric} ")), 0.0)

    def log(self) -> list[dict[str, Any]]:
        return _lines(self._logged)


@asynccontextmanager
async def daemon(tmp_path: Path, *, deadline_s: float = DEADLINE_S, block_s: float = 0.2) -> AsyncIterator[Running]:
    """A daemon over one local loop, in this process and on this event loop."""
    LiveLoop(tmp_path / "repo")
    flags = {
        "repo": str(tmp_path / "repo"),
        "http.port": 0,
        "reconcile.max_parallel": 1,
        "alerts.max_parallel": 1,
        "alerts.budget_seconds": 0.1,
        "alerts.look_seconds": 0.05,
        "reconcile.deadline_seconds": deadline_s,
        "watchdog.task_deadline_seconds": deadline_s,
        "watchdog.loop_block_seconds": block_s,
        "watchdog.lag_interval_seconds": 0.02,
        "observe.stream_keepalive_timeout_seconds": deadline_s,
        "registry.reload_seconds": 0.05,
        "drain_seconds": 0.1,
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, (tmp_path / "log").open("w") as stream:
        listener.bind(str(tmp_path / "notify"))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        loaded = load_settings(flags, {}, None)
        logs.configure("info", "json", stream=stream)
        running = Daemon(loaded, env, lambda: loaded, lambda: loaded)
        task = asyncio.create_task(running.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (started := [line for line in _lines(tmp_path / "log") if line["event"] == "daemon.started"]):
                    assert not task.done()
                    await asyncio.sleep(0.01)
            url = started[0]["http"].removesuffix("/metrics")
            async with aiohttp.ClientSession(url) as session:
                yield Running(session, tmp_path / "log")
        finally:
            os.kill(os.getpid(), 15)
            async with asyncio.timeout(PATIENCE_S):
                assert await task == 0
            logs.configure("warning", "json")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(path)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (raises, "raised", "RuntimeError: made to fail"),
        (hangs, "hung", "no progress for"),
        (returns, "returned", "ended although nobody stopped it"),
    ],
    ids=["raises", "hangs", "returns"],
)
async def test_a_task_that_fails_is_in_the_metrics_in_readyz_and_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, fault: Fault, kind: str, told: str
) -> None:
    monkeypatch.setattr(TaskSupervisor, "start", faulty_start(task, fault))
    async with daemon(tmp_path) as running:

        async def named() -> bool:
            return any(f"task {task} is" in reason and told in reason for reason in await running.reasons())

        async def counted() -> bool:
            return await running.count(f'opsd_task_failures_total{{kind="{kind}"}}') >= 1

        async def unready() -> bool:  # until it is started again, and again once it has failed again
            return await running.count("opsd_ready") == 0

        for condition in (named, counted, unready):
            await until(condition)
        assert any(line["event"] == f"task.{kind}" and line["task"] == task for line in running.log())


async def test_without_a_fault_everything_progresses(tmp_path: Path) -> None:
    async with daemon(tmp_path, deadline_s=UNHURRIED_S, block_s=UNHURRIED_S) as running:
        seen = set()

        async def a_while() -> bool:
            assert await running.reasons() == []
            seen.add(await running.count("opsd_event_loop_lag_seconds_count"))
            return max(seen) > 1.5 * UNHURRIED_S / 0.02  # more than a deadline of undisturbed work

        await until(a_while)
        assert [line for line in running.log() if line["event"].startswith("task.")] == []


@pytest.mark.parametrize("task", ["worker-0", "follower:demo"])
async def test_a_task_that_blocks_the_event_loop_is_caught_in_the_act(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    async def blocks(_heartbeat: Heartbeat) -> None:
        while not [line for line in _lines(tmp_path / "log") if line["event"] == "daemon.started"]:
            await asyncio.sleep(0.01)
        while not _caught(tmp_path / "log"):
            _stand_still(tmp_path / "log")
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    monkeypatch.setattr(TaskSupervisor, "start", faulty_start(task, blocks))
    async with daemon(tmp_path) as running:

        async def caught_and_counted() -> bool:
            return _caught(tmp_path / "log") and await running.count('opsd_task_failures_total{kind="blocked"}') >= 1

        await until(caught_and_counted)


def _caught(log: Path) -> bool:
    """The detector has written whom it saw. (On a busy machine it may have seen others before.)"""
    return any(line["event"] == "event_loop.blocked" and "_stand_still" in line["stack"] for line in _lines(log))


def _stand_still(log: Path) -> None:
    """Hold the event loop until the detector's thread has written what it saw, or for longer than it ever needs."""
    limit = time.monotonic() + 10
    while not _caught(log) and time.monotonic() < limit:
        time.sleep(0.01)

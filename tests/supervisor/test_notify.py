"""The service manager hears what it should, over a real datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsd.supervisor.tasks.heartbeat import Heartbeat
from opsd.supervisor.vitals.notify import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket and its ``$NOTIFY_SOCKET``."""
    name = f"@opsd-test-{secrets.token_hex(8)}" if request.param == "abstract" else os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(name.replace("@", "\0", 1) if request.param == "abstract" else name)
        bound.settimeout(60)
        yield bound, name


def test_every_notification_arrives_in_its_form(listener: tuple[socket.socket, str]) -> None:
    bound, name = listener
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    manager.ready("supervising 3 loops")
    assert bound.recv(4096) == b"READY=1\nSTATUS=supervising 3 loops"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.reloading()
    first, second = bound.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.status("one\nWATCHDOG=1")
    assert bound.recv(4096) == b"STATUS=one WATCHDOG=1"
    manager.status("lone \ud800")
    assert bound.recv(4096) == b"STATUS=lone ?"
    manager.alive()
    assert bound.recv(4096) == b"WATCHDOG=1"
    manager.stopping()
    assert bound.recv(4096) == b"STOPPING=1\nSTATUS=draining"


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "@", "relative", "/" + "x" * 300, "/with\0null"])
def test_a_service_manager_that_is_not_there_disturbs_nobody(name: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    manager.ready("x")
    manager.alive()
    ServiceManager({}).stopping()


def test_a_service_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    name = os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(name)
            with contextlib.suppress(BlockingIOError):
                while True:
                    filler.send(b"x")
        ServiceManager({"NOTIFY_SOCKET": name}).alive()


@pytest.mark.parametrize(
    ("env", "period"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_is_asked(env: dict[str, str], period: float | None) -> None:
    assert ServiceManager(env).watchdog_period_s == period


async def test_a_service_manager_may_want_to_be_fed_more_seldom_than_a_task_may_be_silent() -> None:
    heartbeat = Heartbeat(1.0, lambda: 0.0)
    feeding = ServiceManager({"WATCHDOG_USEC": "600000000"}).feed_watchdog(heartbeat, is_well=lambda: True)
    task = asyncio.create_task(feeding)
    while not heartbeat.waiting:
        await asyncio.sleep(0)
    assert not heartbeat.overdue(now=300.0)
    task.cancel()

"""An event loop that lags or stands still is noticed from inside and from outside."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from opsd.supervisor.tasks.supervisor import Heartbeat, TaskSupervisor
from opsd.supervisor.vitals.watchdog import BlockDetector, LoopLagMonitor

PATIENCE_S = 60.0


def until(condition: Callable[[], bool]) -> None:
    """Wait in a thread that is not the event loop's, or block the loop on purpose until the condition holds."""
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


def test_a_task_that_blocks_the_event_loop_is_seen_once_with_its_stack() -> None:
    blocks: list[tuple[float, str]] = []
    now, looks = [0.0], [0]

    def clock() -> float:  # stands, but for whoever blocks: on a busy machine anybody could seem to
        looks[0] += 1
        return now[0]

    def block() -> None:
        now[0] += 0.2
        before = looks[0]
        until(lambda: detector.blocked)
        until(lambda: looks[0] >= before + 3)  # still the same episode

    detector = BlockDetector(0.1, lambda seconds, stack: blocks.append((seconds, stack)), clock=clock)

    async def main() -> None:
        supervisor = TaskSupervisor(lambda *_: None)
        supervisor.start("lag", LoopLagMonitor(0.005, lambda _: None, detector).run, deadline_s=None)
        detector.start()

        async def culprit(_heartbeat: Heartbeat) -> None:
            block()
            await asyncio.Event().wait()

        supervisor.start("culprit", culprit, deadline_s=None)
        await eventually(lambda: len(blocks) == 1)
        await eventually(lambda: not detector.blocked)
        assert detector.episodes == 1
        block()  # another one
        assert detector.episodes == 2
        await eventually(lambda: not detector.blocked)
        detector.stop()
        await supervisor.stop(PATIENCE_S)

    asyncio.run(main())
    assert len(blocks) == 2
    seconds, stack = blocks[0]
    assert seconds > 0.1
    assert "culprit" in stack


def test_an_event_loop_that_turns_is_not_blocked() -> None:
    async def main() -> None:
        now = [0.0]
        detector = BlockDetector(0.05, lambda *_: pytest.fail("blocked"), clock=lambda: now[0])
        detector.start()
        for _ in range(10):
            now[0] += 0.04
            detector.turn()
            await asyncio.sleep(0.005)
        assert not detector.blocked
        detector.stop()
        assert not detector.blocked

    asyncio.run(main())


def test_a_listener_that_fails_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    def listener(_seconds: float, _stack: str) -> None:
        raise RuntimeError("listener")

    detector = BlockDetector(0.02, listener)
    with caplog.at_level(logging.ERROR):
        detector.start()
        until(lambda: detector.episodes == 1)
        detector.turn()
        until(lambda: detector.episodes == 2)
        detector.stop()
    assert "the listener to blocks of the event loop failed" in caplog.text


def test_a_watch_that_died_counts_as_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    moments = iter([0.0, 0.0])
    detector = BlockDetector(0.01, lambda *_: None, clock=lambda: next(moments))  # which fails in the thread
    detector.start()
    until(lambda: detector.blocked)
    assert len(died) == 1
    detector.stop()


def test_the_lag_of_the_event_loop_is_measured() -> None:
    samples: list[float] = []

    async def main() -> None:
        monitor = LoopLagMonitor(0.005, samples.append)
        supervisor = TaskSupervisor(lambda *_: None)
        supervisor.start("lag", monitor.run, deadline_s=10)
        await eventually(lambda: len(samples) >= 2)
        time.sleep(0.05)
        await eventually(lambda: monitor.max_s > 0.03)
        await eventually(lambda: monitor.last_s < monitor.max_s)
        assert monitor.max_s == max(samples)
        await supervisor.stop(1)

    asyncio.run(main())

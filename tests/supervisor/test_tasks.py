"""Every way in which a long-lived task can fail its daemon is seen."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opsd.supervisor.redaction import redact
from opsd.supervisor.tasks.supervisor import Heartbeat, RestartPolicy, TaskEvent, TaskState, TaskSupervisor

POLICY = RestartPolicy(base_s=1.0, cap_s=4.0, cancel_grace_s=2.0)


class World:
    """A supervisor whose clock stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[tuple[str, str, str]] = []
        self.supervisor = TaskSupervisor(self._on_event, sweep_s=3600, clock=lambda: self.now)

    def _on_event(self, event: TaskEvent, name: str, error: BaseException | None) -> None:
        self.events.append((event.value, name, type(error).__name__))

    async def after(self, seconds: float) -> None:
        self.now += seconds
        self.supervisor.sweep()
        await settle()

    def state(self) -> TaskState:
        return self.supervisor.status()[0].state


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        await scenario(world)
        assert await world.supervisor.stop(1) == []

    asyncio.run(main())


async def patient(heartbeat: Heartbeat) -> None:
    with heartbeat.idle():
        await asyncio.Event().wait()


async def silent(_heartbeat: Heartbeat) -> None:
    await asyncio.Event().wait()


def test_a_task_that_raises_is_seen_and_started_again_after_a_growing_pause() -> None:
    starts: list[float] = []

    async def scenario(world: World) -> None:
        async def body(_heartbeat: Heartbeat) -> None:
            starts.append(world.now)
            raise ValueError("broken")

        world.supervisor.start("t", body, deadline_s=10, restart=POLICY)
        await settle()
        assert world.events == [("raised", "t", "ValueError")]
        assert world.supervisor.problems() == ["task t is failed: ValueError: broken"]
        for _ in range(200):
            await world.after(0.1)
        pauses = [round(after - before, 1) for before, after in itertools.pairwise(starts)]
        assert len(pauses) >= 4
        assert all(0.7 <= pause <= 4.2 for pause in pauses)
        assert pauses[0] <= 1.1 < pauses[1] <= 2.1 < pauses[2]
        assert ("restarted", "t", "NoneType") in world.events

    run(scenario)


def test_a_task_that_returns_early_is_seen() -> None:
    async def scenario(world: World) -> None:
        async def body(_heartbeat: Heartbeat) -> None:
            return

        world.supervisor.start("t", body, deadline_s=10, restart=POLICY)
        await settle()
        assert world.events == [("returned", "t", "NoneType")]
        assert world.state() is TaskState.RETURNED

    run(scenario)


def test_a_task_that_somebody_else_cancels_counts_as_returned() -> None:
    async def scenario(world: World) -> None:
        world.supervisor.start("t", patient, deadline_s=10, restart=POLICY)
        await settle()
        next(task for task in asyncio.all_tasks() if task.get_name() == "t").cancel()
        await settle()
        assert world.events == [("returned", "t", "NoneType")]

    run(scenario)


def test_a_task_that_hangs_past_its_deadline_is_cancelled_and_replaced() -> None:
    async def scenario(world: World) -> None:
        world.supervisor.start("t", silent, deadline_s=10, restart=POLICY)
        await settle()
        await world.after(9.9)
        assert world.supervisor.problems() == []
        await world.after(0.2)
        assert world.events == [("hung", "t", "NoneType")]
        assert world.supervisor.problems() == ["task t is hung: no progress for 10.1 s"]
        await world.after(1.1)
        assert world.events[1:] == [("restarted", "t", "NoneType")]
        assert world.supervisor.status()[0].restarts == 1
        assert world.supervisor.problems() == []

    run(scenario)


def test_a_task_that_ignores_its_cancellation_is_abandoned_and_replaced() -> None:
    runs: list[asyncio.Event] = []

    async def scenario(world: World) -> None:
        async def body(heartbeat: Heartbeat) -> None:
            release = asyncio.Event()
            runs.append(release)
            if len(runs) > 1:
                await patient(heartbeat)
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        world.supervisor.start("t", body, deadline_s=10, restart=POLICY)
        await settle()
        await world.after(10.1)
        await world.after(1.9)
        assert [event for event, _, _ in world.events] == ["hung"]
        await world.after(0.2)
        assert [event for event, _, _ in world.events] == ["hung", "abandoned"]
        assert world.supervisor.leaving == 1
        assert "did not end when it was cancelled" in world.supervisor.problems()[0]
        await world.after(1.1)
        assert len(runs) == 2
        assert world.supervisor.problems() == []
        runs[0].set()
        await settle()
        assert world.supervisor.leaving == 0
        assert world.supervisor.status()[0].state is TaskState.RUNNING

    run(scenario)


def test_what_an_abandoned_task_raises_in_the_end_is_seen() -> None:
    async def scenario(world: World) -> None:
        release = asyncio.Event()

        async def body(_heartbeat: Heartbeat) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await release.wait()
                raise OSError("late") from None

        world.supervisor.start("t", body, deadline_s=10, restart=POLICY)
        await settle()
        await world.after(10.1)
        await world.after(2.1)
        release.set()
        await settle()
        assert world.events[-1] == ("raised", "t", "OSError")

    run(scenario)


def test_a_body_that_raises_as_it_is_called_for_a_restart_is_not_lost() -> None:
    calls: list[int] = []

    async def scenario(world: World) -> None:
        def body(_heartbeat: Heartbeat, /) -> Any:
            calls.append(1)
            raise RuntimeError("no coroutine")

        world.supervisor.start("t", body, deadline_s=None, restart=POLICY)
        await settle()
        await world.after(1.1)
        await world.after(2.1)
        assert len(calls) == 3
        assert world.state() is TaskState.FAILED

    run(scenario)


def test_progress_waiting_on_purpose_and_announced_waits_are_no_hang() -> None:
    async def scenario(world: World) -> None:
        heartbeats: dict[str, Heartbeat] = {}

        def kept(name: str) -> Callable[[Heartbeat], Any]:
            async def body(heartbeat: Heartbeat) -> None:
                heartbeats[name] = heartbeat
                await asyncio.Event().wait()

            return body

        world.supervisor.start("idle", patient, deadline_s=10)
        world.supervisor.start("unlimited", silent, deadline_s=None)
        world.supervisor.start("beating", kept("beating"), deadline_s=10)
        world.supervisor.start("announced", kept("announced"), deadline_s=10)
        await settle()
        heartbeats["announced"].grant(100)
        for _ in range(10):
            heartbeats["beating"].beat()
            await world.after(10)
        assert world.events == []
        await world.after(10.1)
        assert sorted(name for _, name, _ in world.events) == ["announced", "beating"]

    run(scenario)


def test_without_a_restart_policy_a_task_is_only_watched() -> None:
    async def scenario(world: World) -> None:
        found: list[Heartbeat] = []

        async def body(heartbeat: Heartbeat) -> None:
            found.append(heartbeat)
            await asyncio.Event().wait()

        async def failing(_heartbeat: Heartbeat) -> None:
            raise ValueError

        world.supervisor.start("t", body, deadline_s=10, restart=None)
        world.supervisor.start("f", failing, deadline_s=10, restart=None)
        await settle()
        await world.after(11)
        assert world.state() is TaskState.HUNG
        found[0].beat()
        await world.after(1)
        assert world.state() is TaskState.RUNNING
        await world.after(10_000)
        assert [status.restarts for status in world.supervisor.status()] == [0, 0]

    run(scenario)


def test_a_secret_in_an_error_does_not_reach_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "_secrets", ())
    redact.add("hush-hush")

    async def scenario(world: World) -> None:
        async def body(_heartbeat: Heartbeat) -> None:
            raise ValueError("refused: Bearer hush-hush")

        world.supervisor.start("t", body, deadline_s=10)
        await settle()
        assert world.supervisor.status()[0].last_error == "ValueError: refused: Bearer [redacted]"

    run(scenario)


def test_the_error_of_short_work_is_seen() -> None:
    async def scenario(world: World) -> None:
        async def work() -> None:
            raise OSError("gone")

        world.supervisor.spawn("reload", work())
        await settle()
        assert world.events == [("raised", "reload", "OSError")]

    run(scenario)


def test_a_listener_that_fails_ends_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        def listener(*_: object) -> None:
            raise RuntimeError("listener")

        supervisor = TaskSupervisor(listener)
        supervisor.start("t", silent, deadline_s=None)

        async def work() -> None:
            raise OSError("gone")

        supervisor.spawn("s", work())
        await settle()
        assert supervisor.problems() == []
        await supervisor.stop(1)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "the listener to task events failed" in caplog.text


def test_the_real_sweep_finds_a_hang_by_itself() -> None:
    async def main() -> None:
        hung = asyncio.Event()
        supervisor = TaskSupervisor(lambda event, *_: hung.set() if event is TaskEvent.HUNG else None, sweep_s=0.01)
        supervisor.start("t", silent, deadline_s=0.03)
        async with asyncio.timeout(60):
            await hung.wait()
        await supervisor.stop(1)

    asyncio.run(main())


def test_the_sweeper_is_watched_too() -> None:
    async def main() -> None:
        events: list[str] = []
        hung = asyncio.Event()

        def listener(event: TaskEvent, name: str, _error: BaseException | None) -> None:
            events.append(f"{name} {event}")
            if event is TaskEvent.HUNG:
                hung.set()

        supervisor = TaskSupervisor(listener, sweep_s=0.01)
        supervisor.start("t", silent, deadline_s=0.05)
        await settle()
        next(task for task in asyncio.all_tasks() if task.get_name() == "task-sweeper").cancel()
        async with asyncio.timeout(60):
            await hung.wait()
        assert events[0] == "task-sweeper returned"
        await supervisor.stop(1)

    asyncio.run(main())


def test_time_in_which_the_event_loop_stood_still_is_held_against_nobody() -> None:
    async def main() -> None:
        events: list[TaskEvent] = []
        supervisor = TaskSupervisor(lambda event, *_: events.append(event), sweep_s=0.01)

        async def beating(heartbeat: Heartbeat) -> None:
            while True:
                heartbeat.beat()
                await asyncio.sleep(0.15)

        supervisor.start("t", beating, deadline_s=0.3)
        await asyncio.sleep(0.03)
        time.sleep(0.35)  # somebody blocks the event loop
        await asyncio.sleep(0.03)
        assert events == []
        await supervisor.stop(1)

    asyncio.run(main())


def test_stopping_ends_all_the_last_first_and_names_the_stragglers() -> None:
    async def main() -> None:
        ended: list[str] = []
        release = asyncio.Event()
        supervisor = TaskSupervisor(lambda *_: None)

        def named(name: str) -> Callable[[Heartbeat], Any]:
            async def body(_heartbeat: Heartbeat) -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(name)

            return body

        async def stubborn(_heartbeat: Heartbeat) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await release.wait()

        for name in ("first", "second", "third"):
            supervisor.start(name, named(name), deadline_s=None)
        supervisor.start("stubborn", stubborn, deadline_s=None)
        await settle()
        assert await supervisor.stop(0.03) == ["stubborn"]
        assert ended == ["third", "second", "first"]
        assert {status.state for status in supervisor.status()} == {TaskState.STOPPED}
        release.set()
        await settle()

    asyncio.run(main())


def test_a_name_that_was_forgotten_can_be_used_again() -> None:
    async def scenario(world: World) -> None:
        world.supervisor.start("t", patient, deadline_s=10)
        with pytest.raises(ValueError, match="runs already"):
            world.supervisor.start("t", patient, deadline_s=10)
        await settle()
        world.supervisor.forget("t")
        world.supervisor.start("t", patient, deadline_s=10)
        await settle()
        assert world.events == []
        assert len(world.supervisor.status()) == 1

    run(scenario)

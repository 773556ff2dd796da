"""A run that lasts: ends that no hanging sink keeps back, winding up, and whether there is anything to publish."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opsd.alerts.model import HttpAnswer
from opsd.alerts.muting.matchers import parse_matchers
from opsd.alerts.muting.silences import Silence
from opsd.alerts.run.conclusion import next_wake
from tests.alerts.runs import LongRun, until

FAILED = HttpAnswer(status=500)
REFUSED = HttpAnswer(status=400)
LOST = HttpAnswer(error="no complete answer", sent=True)


async def test_an_end_waits_for_no_sink_that_hangs_on_the_beginning(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    run = world.begin()
    drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.sender.answer("b")
    await until(lambda: any(delivery.attempts for delivery in run.deliveries.values()))
    world.recover()
    drive.poke()
    await until(lambda: ("b", "resolve") in world.sender.sent)
    assert ("a", "resolve") not in world.sender.sent
    world.sender.answer("b")
    world.sender.answer("a")
    await until(lambda: ("a", "resolve") in world.sender.sent)
    world.sender.answer("a")
    await task
    state = world.end(run)
    assert [sink for sink, _ in world.sender.sent] == ["a", "b", "b", "a"]
    assert (state["delivery"]["pendingCount"], state["delivery"]["resolvedCount"]) == (0, 1)
    assert world.rows("alert-outbox.jsonl") == []


@pytest.mark.parametrize(
    ("answer", "told", "dead"),
    [(FAILED, False, 0), (REFUSED, False, 1), (LOST, True, 0)],
    ids=["it failed", "it was refused", "it may have arrived"],
)
async def test_a_beginning_that_fails_takes_its_waiting_end_along_unless_it_may_have_arrived(
    tmp_path: Path, answer: HttpAnswer, told: bool, dead: int
) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    run = world.begin()
    drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.recover()
    drive.poke()
    await until(lambda: len(run.entries) == 2)  # the end stands behind the beginning
    world.sender.answer("b")
    world.sender.answer("a", answer)
    await until(lambda: ("b", "resolve") in world.sender.sent)
    world.sender.answer("b")
    if told:
        await until(lambda: ("a", "resolve") in world.sender.sent)
        world.sender.answer("a")
    await task
    assert world.end(run)["delivery"]["pendingCount"] == 0
    assert (("a", "resolve") in world.sender.sent) is told
    assert world.sender.sent.count(("a", "trigger")) == 1
    assert len(world.rows("alert-dead-letter.jsonl")) == dead


async def test_what_was_escalated_and_recovered_before_the_run_is_told_in_its_order(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    world.recover()
    run = world.begin()
    _drive, task = world.drive(run)
    for action in ("trigger", "resolve"):
        await until(lambda: len(world.sender.open) == 2)
        assert [found for _, found, _ in world.sender.open] == [action, action]
        world.sender.answer("a")
        world.sender.answer("b")
    await task
    assert world.end(run)["delivery"]["pendingCount"] == 0


async def test_a_drive_that_is_wound_up_ends_with_its_requests(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    run = world.begin()
    drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.escalate("health_degraded")
    drive.poke()
    drive.wind_up()
    world.sender.answer("a")
    world.sender.answer("b", FAILED)
    await task
    state = world.end(run)
    assert state["delivery"]["pendingCount"] == 1  # to be tried again by the next run
    assert state["escalationsLineOffset"] == 1
    assert len(world.sender.sent) == 2


async def test_a_run_that_only_looked_around_has_nothing_to_publish(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    run = world.begin()
    _drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.sender.answer("a")
    world.sender.answer("b")
    await task
    assert run.has_changed()
    world.end(run)
    again = world.begin()
    await world.drive(again)[1]
    assert not again.has_changed()
    world.recover()
    resolving = world.begin()
    _drive, task = world.drive(resolving)
    await until(lambda: len(world.sender.open) == 2)
    world.sender.answer("a")
    world.sender.answer("b")
    await task
    assert resolving.has_changed()


async def test_a_run_has_the_trace_of_the_pass_whose_row_it_took_in(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    run = world.begin()
    _drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.sender.answer("a")
    world.sender.answer("b")
    await task
    assert world.end(run)["traceId"] == "t-pass"
    assert world.rows("telemetry/alerts.jsonl")[0]["traceId"] == "t-pass"


async def test_an_incident_that_a_silence_holds_wakes_the_loop_when_the_silence_ends(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    now = int(time.time())
    matchers = parse_matchers([{"name": "loopId", "value": "demo", "isRegex": False, "isEqual": True}], "silence")
    run = world.begin(silences=(Silence("s", matchers, now - 10, now + 3600),))
    await world.drive(run)[1]
    assert next_wake(run) == now + 3600
    assert world.sender.sent == []


async def test_an_end_is_kept_while_another_row_is_about_to_tell_the_beginning(tmp_path: Path) -> None:
    world = LongRun(tmp_path)
    world.escalate()
    world.escalate()
    run = world.begin()
    drive, task = world.drive(run)
    await until(lambda: len(world.sender.open) == 2)
    world.recover()
    drive.poke()
    await until(lambda: len(run.entries) == 3)
    world.sender.answer("a", FAILED)
    for _ in range(3):
        await until(lambda: "b" in [sink for sink, _, _ in world.sender.open])
        world.sender.answer("b")
    for _ in range(2):
        await until(lambda: "a" in [sink for sink, _, _ in world.sender.open])
        world.sender.answer("a")
    await task
    assert [action for sink, action in world.sender.sent if sink == "a"] == ["trigger", "trigger", "resolve"]
    assert world.end(run)["delivery"]["pendingCount"] == 0

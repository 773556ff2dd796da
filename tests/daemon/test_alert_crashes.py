"""Firings and recoveries while the daemon is killed again and again: none is lost, and a repeat has the same id."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from hashlib import sha256
from pathlib import Path

from tests.daemon.receiver import Told, receiving
from tests.daemon.support import Daemon, daemon, journal_line, write_registry
from tests.daemon.test_alerts import LONG_AGO, World, until

LOOPS = 6
LIVES = 8


def delivery_id(loop_id: str, number: int, line: bytes) -> str:
    """By the contract's words (50, R4), not by our code."""
    text = b"\n".join([loop_id.encode(), b"a", str(number).encode(), line])
    return "omd_" + sha256(text).hexdigest()[:32]


async def test_no_alert_and_no_end_is_lost_however_often_the_daemon_is_killed(tmp_path: Path) -> None:
    rand = random.Random(11)
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        loops = [world.stale(f"loop-{number}") for number in range(LOOPS)]
        write_registry(world.repo, *({"loopId": loop.loop_id} for loop in loops))
        is_stale = {loop.loop_id: True for loop in loops}

        async def turn(running: Daemon) -> None:
            """Some loops recover, some go stale again."""
            for loop in rand.sample(loops, LOOPS // 2):
                stamp = None if is_stale[loop.loop_id] else LONG_AGO
                with loop.journal.open("ab") as file:
                    file.write(journal_line(1, loop_id=loop.loop_id, timestamp=stamp))
                is_stale[loop.loop_id] = not is_stale[loop.loop_id]
            await asyncio.sleep(rand.uniform(0.0, 0.3))

        for _ in range(LIVES):
            async with daemon(world.repo, *world.flags, env=world.env) as running:
                seen = len(receiver.told)
                await turn(running)
                await until(running, lambda before=seen: len(receiver.told) > before)
                await turn(running)
                running.process.kill()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            for loop in loops:
                if is_stale[loop.loop_id]:
                    with loop.journal.open("ab") as file:
                        file.write(journal_line(1, loop_id=loop.loop_id))

            async def settled() -> bool:
                views = (await running.json("/v1/loops"))[1]["loops"]
                return len(views) == LOOPS and all(
                    view["healthStatus"] == "healthy"
                    and view["alerts"]
                    and (view["alerts"]["openIncidentCount"], view["alerts"]["pendingCount"]) == (0, 0)
                    for view in views
                )

            await running.until(settled)
            assert await running.ended() == 0
        for loop in loops:
            _check(world, loop.loop_id, [one for one in receiver.told if one.body["source"]["loopId"] == loop.loop_id])


def _check(world: World, loop_id: str, told: list[Told]) -> None:
    lines = (world.folder(loop_id) / "escalations.jsonl").read_bytes().splitlines()
    owed = {delivery_id(loop_id, number, line) for number, line in enumerate(lines, 1)}
    triggers = [one for one in told if one.action == "trigger"]
    ended = {
        row["deliveryId"]
        for row in world.rows("telemetry/alerts.jsonl", loop_id)
        if row.get("reasonCode") == "resolved_before_delivery"
    }
    assert owed - ended == {one.delivery_id for one in triggers} - ended
    assert told[-1].action == "resolve"
    for one_id, count in Counter(one.delivery_id for one in told).items():
        bodies = [one.body["escalation"] for one in told if one.delivery_id == one_id]
        assert bodies == bodies[:1] * count  # what came twice is the same alert
    state = world.state(loop_id)
    assert (state["escalationsLineOffset"], state["delivery"]["pendingCount"]) == (len(lines), 0)
    assert not (world.folder(loop_id) / "alert-outbox.jsonl").exists()
    assert world.rows("alert-dead-letter.jsonl", loop_id) == []

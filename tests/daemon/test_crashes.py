"""Killed with -9 at random moments the daemon loses no event and no escalation, and repeats none under a new name."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.support import LiveLoop, daemon, journal_line, remote, sprite, write_registry

_OLD = "2026-01-01T00:00:00Z"
_LINES = 1500
_BLOCK = 50
_LAST_LINE = _LINES + 6


class Writer(threading.Thread):
    """Writes a journal whose health keeps changing, at an even pace, also while nobody supervises."""

    def __init__(self, loop: LiveLoop) -> None:
        super().__init__(daemon=True)
        self._loop = loop
        self._paced = threading.Event()

    def run(self) -> None:
        with self._loop.journal.open("ab", buffering=0) as file:
            for number in range(1, _LINES + 1):
                stale = (number // _BLOCK) % 2 == 1
                file.write(journal_line(number, timestamp=_OLD if stale else None))
                self._paced.wait(0.003)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; every line is whole."""
    return [json.loads(line) for line in path.read_bytes().splitlines() if line] if path.exists() else []


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_moments_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    repo = tmp_path / "repo"
    await kill_and_check(LiveLoop(repo), repo, seed)


async def test_killed_at_random_moments_nothing_of_a_remote_loop_is_lost(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path / "vm")
    async with sprite(loop.repo) as service:
        write_registry(tmp_path / "manager", remote("demo", service.url))
        await kill_and_check(loop, tmp_path / "manager", 3)


async def kill_and_check(loop: LiveLoop, repo: Path, seed: int) -> None:
    """Kill daemons over ``repo`` while the loop is written, let the last one finish, and read what all of them left."""
    rand = random.Random(seed)
    writer = Writer(loop)
    writer.start()
    for _ in range(5):
        async with daemon(repo) as running:
            await asyncio.sleep(rand.uniform(0.0, 0.15))
            running.process.kill()
            running.process.wait()
    async with daemon(repo) as running:
        await asyncio.to_thread(writer.join)
        view = await running.until_state("demo", "running", _LINES)
        assert view["cursor"] == {"eventLineOffset": _LINES, "eventLineCount": _LINES}
        # However busy the machine was until now: some changes that one daemon certainly sees one by one.
        for number in range(_LINES + 1, _LAST_LINE + 1):
            with loop.journal.open("ab") as file:
                file.write(journal_line(number, timestamp=_OLD if number % 2 else None))
            await running.until_state("demo", "running", number)
        assert await running.ended() == 0

    manager = repo / ".superloop" / "ops-manager" / "demo"
    passes = rows(manager / "telemetry" / "reconcile.jsonl")
    escalations = rows(manager / "escalations.jsonl")
    reached = 0
    for row in passes:
        assert row["status"] == "success"
        assert row["cursorOffsetBefore"] <= reached, "a pass began behind events that nobody took in"
        assert row["cursorOffsetAfter"] == row["cursorOffsetBefore"] + row["eventsIngested"]
        reached = max(reached, row["cursorOffsetAfter"])
    assert reached == _LAST_LINE

    # Each change that a pass saw was told by that pass. Before it the loop was as the last pass has left it; where that
    # was killed, as it or the one before has left it: a row is written before the documents.
    told = {(row["traceId"], row["category"]) for row in escalations}
    before: list[list[str]] = [[]]
    reached = changes = 0
    for row in passes:
        if row["cursorOffsetBefore"] == reached:
            del before[:-1]
        codes = row["healthReasonCodes"]
        if row["healthStatus"] != "healthy" and codes not in before:
            assert (row["traceId"], f"health_{row['healthStatus']}") in told
            changes += 1
        before.append(codes)
        reached = row["cursorOffsetAfter"]
    assert changes >= 3
    # What a killed pass told may be told again, and then under the same id: an id stands for one thing. (Nobody repeats
    # it when the loop has moved on meanwhile; tests/loop/test_reconcile.py holds that one that sees the same does.)
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in escalations:
        by_id.setdefault(row["escalationId"], []).append(row)
    for same in by_id.values():
        assert len({row["category"] for row in same}) == 1
        assert len({row["traceId"] for row in same}) == len(same)

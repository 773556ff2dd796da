"""Runs bridges that are killed with -9 at their n-th step, for every n; prints what each left, one JSON row a line.

A process of its own, which forks for each death: ``python -m tests.horizon.crashing <empty folder>``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tests.horizon.factories import World, line
from tests.horizon.steps import alone, watched

FOLDERS = ("inflight", "processed", "rejected")


def build(root: Path) -> World:
    """An outbox with good, double and bad files, a leftover, and a queue that an operator has edited."""
    world = World(root)
    world.put("old.jsonl", line("old"))
    world.run()
    queue = json.loads(world.queue_file.read_bytes())
    queue["intents"][0] |= {"status": "confirmed", "by": "operator"}
    world.queue_file.write_text(json.dumps(queue))
    world.leave_in_flight("deep/left.jsonl.claim.17.4", line("left"))
    world.put("a/1.jsonl", line("p1"), line("p2"), line("old"))
    world.put("b.jsonl", line("p2"), b"\n", line("p3"))
    world.put("c.jsonl", line("lost?"), b"no envelope\n")
    return world


def main(folder: Path) -> None:
    """Kill at every step until a run has no such step any more."""
    build(folder / "template")
    for step in range(10_000):
        world = World(Path(shutil.copytree(folder / "template", folder / "world")))
        child = os.fork()
        if child == 0:
            _die_at(world, step)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with watched(lambda step: None):
            recovered, idle = world.run(), world.run()
        row = {
            "step": step,
            "exit": killed,
            "pairs": world.pairs,
            "intents": world.intents,
            "recovered": recovered.state["summary"],
            "idle": idle.state["summary"],
            "keys": idle.state["dedupe"]["keys"],
            "files": {name: sorted(map(bytes.decode, world.files(name).values())) for name in FOLDERS},
            "outbox": len([path for path in world.outbox.rglob("*") if path.is_file()]),
            "rows": [row["category"] for row in _whole_rows(world.telemetry_file)],
        }
        sys.stdout.write(json.dumps(row) + "\n")
        shutil.rmtree(folder / "world")
        if killed != -signal.SIGKILL:
            return


def _whole_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a log; a death in the middle of a write leaves a torn one, on a line of its own."""
    rows, torn = [], 0
    for text in path.read_bytes().splitlines():
        try:
            rows.append(json.loads(text))
        except ValueError:
            torn += 1
    if torn > 1:
        raise AssertionError(f"one death tore {torn} rows")
    return rows


def _die_at(world: World, step: int) -> None:
    """Run in the child; never returns."""
    steps = iter(range(step, -1, -1))

    def die(_step: str) -> None:
        if next(steps, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        with watched(alone(die), torn=True):
            world.run()
    except BaseException:  # noqa: BLE001 - the parent sees the exit code
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

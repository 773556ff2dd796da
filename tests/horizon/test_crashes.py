"""Killed with -9 at any step a bridge loses nothing, queues nothing twice, and the next run puts all in its place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.horizon.factories import World, line

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "scripts" / "ops-manager-horizon-bridge.sh"


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What was left by a death at each step, and by the run that came to its end."""
    folder = tmp_path_factory.mktemp("deaths")
    command = [sys.executable, "-m", "tests.horizon.crashing", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(row) for row in done.stdout.splitlines()]


def test_every_run_but_the_last_was_killed(deaths: list[dict[str, Any]]) -> None:
    assert {row["exit"] for row in deaths[:-1]} == {-signal.SIGKILL}
    assert deaths[-1]["exit"] == 0
    assert len(deaths) > 100


def test_every_envelope_is_queued_once(deaths: list[dict[str, Any]]) -> None:
    for row in deaths:
        assert row["pairs"] == [[name, "t"] for name in ("left", "old", "p1", "p2", "p3")], row["step"]
        assert row["keys"] == ["left::t", "old::t", "p1::t", "p2::t", "p3::t"], row["step"]


def test_every_file_is_kept_whole_in_its_place(deaths: list[dict[str, Any]]) -> None:
    text = {name: line(name).decode() for name in ("old", "left", "p1", "p2", "p3", "lost?")}
    processed = [text["old"], text["left"], text["p1"] + text["p2"] + text["old"], text["p2"] + "\n" + text["p3"]]
    for row in deaths:
        assert row["outbox"] == 0, row["step"]
        assert row["files"] == {
            "inflight": [],
            "processed": sorted(processed),
            "rejected": [text["lost?"] + "no envelope\n"],
        }, row["step"]


def test_what_an_operator_decided_stands(deaths: list[dict[str, Any]]) -> None:
    for row in deaths:
        old = next(intent for intent in row["intents"] if intent["packetId"] == "old")
        assert (old["status"], old["by"]) == ("confirmed", "operator"), row["step"]
        assert row["idle"]["pendingConfirmationCount"] == 4


def test_the_run_after_it_leaves_nothing_to_do(deaths: list[dict[str, Any]]) -> None:
    for row in deaths:
        assert row["idle"]["claimedFileCount"] == 0, row["step"]
        assert row["rows"].count("horizon_bridge_run") in (3, 4), "that which built the world, and two or three more"
        assert row["rows"].count("horizon_bridge_file") >= 5, "every file is told of once at least"


def test_bridges_at_the_same_time_queue_each_envelope_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(60):
        world.put(f"{number % 7}/{number}.jsonl", line(f"p{number}"), line(f"p{number // 2}"), line("everywhere"))
    command = [str(DOOR), "--repo", str(tmp_path), "--max-files", "9"]
    bridges = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    answers = [(bridge.communicate(timeout=600), bridge.returncode) for bridge in bridges]
    assert [(error, code) for (_, error), code in answers] == [("", 0)] * 8
    states = [json.loads(out) for (out, _), _ in answers]
    assert sum(state["summary"]["queuedEnvelopeCount"] for state in states) == 61
    assert sum(state["summary"]["claimedFileCount"] for state in states) == 60
    assert world.pairs == sorted([("everywhere", "t"), *((f"p{number}", "t") for number in range(60))])
    assert len(world.files("processed")) == 60
    assert world.files("inflight") == {}

"""A replay leaves what the recording left, in the state that the recording ended in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.contract import jsoncodec
from opsd.contract.ids import parse_loop_id
from opsd.demo.replay import Player, list_cases, load_recording, plan_writes
from opsd.runtime.reader import LoopReader

NOW = "2026-11-24T12:00:00Z"


@pytest.mark.parametrize("case", list_cases())
def test_a_replay_ends_in_the_recorded_state(case: str, tmp_path: Path) -> None:
    recording = load_recording(case)
    player = Player(tmp_path, recording, duration_s=0.0, started_at=1795521600)
    assert player.play(lambda _seconds: False)
    reader = LoopReader(str(tmp_path), parse_loop_id(recording.loop_id))
    snapshot = reader.snapshot(now=NOW, trace_id=None)
    assert snapshot["run"]["status"] == recording.expected_state
    assert snapshot["cursor"]["eventLineCount"] == len(recording.lines)
    assert snapshot["health"]["lastEventAt"] == NOW
    assert all(json.loads(line)["run_id"] <= NOW for line in reader_lines(tmp_path, recording.loop_id))


def reader_lines(repo: Path, loop_id: str) -> list[str]:
    return (repo / ".superloop" / "loops" / loop_id / "events.jsonl").read_text().splitlines()


@pytest.mark.parametrize("case", list_cases())
def test_a_plan_keeps_the_order_of_the_lines_and_its_duration(case: str) -> None:
    recording = load_recording(case)
    steps = list(plan_writes(recording, duration_s=20.0))
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    assert steps[-1].at_s == 20.0
    lines = [step.content for step in steps if step.how == "append"]
    assert [jsoncodec.loads(line or b"") for line in lines] == [jsoncodec.loads(line) for line in recording.lines]


def test_a_replay_can_be_stopped(tmp_path: Path) -> None:
    player = Player(tmp_path, load_recording("long_run"), duration_s=9.0, started_at=1795521600)
    assert not player.play(lambda _seconds: True)

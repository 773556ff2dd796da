"""Recorded runs through the one-shot commands: where they end, and that no cut loses or repeats an event."""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.cli.main import main
from tests.cli.support import Shell
from tests.recordings import FINALS, STEPS, Recorded, install

WITH_STATE = [recorded for recorded in [*STEPS, *FINALS] if recorded.expected_state is not None]
WHOLE = [recorded for recorded in FINALS if not recorded.invalid_lines and recorded.lines]


@pytest.mark.parametrize("recorded", WITH_STATE, ids=str)
def test_reconcile_reaches_the_recorded_state(recorded: Recorded, opsd: Shell, tmp_path: Path) -> None:
    install(recorded, tmp_path)
    skip = [part for number in recorded.invalid_lines for part in ("--skip-bad-line", str(number))]
    result = opsd("reconcile", "--repo", tmp_path, "--loop", recorded.loop_id, *skip)
    assert (result.exit, result.err) == (0, "")
    assert result.json["transition"]["currentState"] == recorded.expected_state
    assert result.json["cursor"]["eventLineCount"] == recorded.lines


def _poll(repo: Path, loop_id: str) -> list[Any]:
    printed = io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(printed):
        assert main(["events", "--repo", str(repo), "--loop", loop_id]) == 0
    return [json.loads(line) for line in printed.buffer.getvalue().splitlines()]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_journal_cut_anywhere_gives_each_event_once_and_in_order(data: st.DataObject) -> None:
    recorded = data.draw(st.sampled_from(WHOLE))
    journal = recorded.journal.read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(journal)), max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / ".superloop" / "loops" / recorded.loop_id / "events.jsonl"
        target.parent.mkdir(parents=True)
        target.touch()
        seen: list[Any] = []
        written = 0
        for cut in [*cuts, len(journal)]:
            with target.open("ab") as file:
                file.write(journal[written:cut])
            written = cut
            seen += _poll(Path(folder), recorded.loop_id)
    lines = [json.loads(line) for line in journal.splitlines()[: recorded.lines]]
    assert [envelope["event"]["raw"] for envelope in seen] == lines
    assert [envelope["sequence"]["value"] for envelope in seen] == list(range(1, recorded.lines + 1))

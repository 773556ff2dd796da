"""Reading the evidence: whatever is not as it should be is never something good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.promotion.evidence import ExecutionWindow, execution_of, parse_drills, read_drills, read_handoff
from opsd.promotion.inputs import AutonomousRun, DrillRecords, HandoffHistory, Invalid, Missing
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FileFleetStore
from tests.promotion.factories import row

GOOD = json.dumps(row())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "handoff.jsonl"


def read(log: Path, window: int = 3) -> Any:
    return read_handoff(FileFleetStore("/r", {FleetLog.HANDOFF: str(log)}), window)


def test_only_autonomous_executions_are_kept_and_only_the_newest(log: Path) -> None:
    others = [row(category="fleet_handoff_plan"), {"category": "fleet_handoff_execute"}, {}, row(9, execution=None)]
    manual = row(execution={"mode": "manual", "requestedIntentCount": "many"})
    rows = [row(1), *others, row(2), manual, row(3), row(4)]
    log.write_text("".join(json.dumps(one) + "\n" for one in rows))
    evidence = read(log)
    assert isinstance(evidence, HandoffHistory)
    assert [run.attempted for run in evidence.runs] == [2, 3, 4]


def test_a_count_that_is_missing_is_none() -> None:
    found = execution_of({"category": "fleet_handoff_execute", "execution": {"mode": "autonomous"}})
    assert found == AutonomousRun(0, 0, 0, 0)


@pytest.mark.parametrize("text", ["", "\n  \n", "null\n", f"{GOOD}\n\nnull\n{GOOD}", f"{GOOD} {GOOD}\n"])
def test_blank_lines_null_and_a_missing_last_newline_are_fine(log: Path, text: str) -> None:
    log.write_text(text)
    assert read(log) == HandoffHistory((AutonomousRun(2, 2, 0, 0, row()["timestamp"]),) * text.count("mode"))


@pytest.mark.parametrize(
    "line",
    ["17", '"x"', "[]", "true", "{", '{"category":', f"{GOOD[:-9]}", "\x00", "NaN"]
    + [json.dumps(row(execution=value)) for value in ("autonomous", 7, [], True, False)]
    + [json.dumps(row(**{name: "1"})) for name in ("attempted", "executed", "ambiguous", "failed")]
    + [json.dumps(row(failed=value)) for value in (True, False, [], {}, -1, 0.5, 10**13, float("nan"), float("inf"))]
    + [json.dumps(row()).replace('"failedCount": 0', '"failedCount": 1e999')],
)
@pytest.mark.parametrize("form", ["{0}\n{1}\n{0}\n", "{1}\n{0}\n{0}\n{0}\n", "{0}\n{1}"])
def test_one_bad_row_anywhere_invalidates_the_whole_history(log: Path, line: str, form: str) -> None:
    log.write_text(form.format(GOOD, line))
    assert read(log) == Invalid()


def test_no_file_and_a_folder_are_missing(log: Path) -> None:
    assert read(log) == Missing()
    log.mkdir()
    assert read(log) == Missing()


def test_of_a_large_history_only_the_window_is_kept(log: Path) -> None:
    with log.open("w") as file:
        for number in range(5000):
            file.write(json.dumps(row(number, ballast="x" * 200)) + "\n")
    evidence = read(log, 2)
    assert [run.attempted for run in evidence.runs] == [4998, 4999]


def test_a_window_may_be_larger_than_any_memory() -> None:
    assert ExecutionWindow(10**30).runs == ()


@pytest.mark.parametrize("data", [b"null", b"{}", b'{"drills":null}', b'{"drills":false}', b'{"drills":[]}'])
def test_a_drill_file_may_have_no_drills(data: bytes) -> None:
    assert parse_drills(data) == DrillRecords([])


@pytest.mark.parametrize("data", [b"", b" ", b"{} {}", b"[]", b"7", b'"x"', b"true", b'{"drills":{}}', b'{"drills":0}'])
def test_anything_else_that_is_no_list_of_drills_is_invalid(data: bytes) -> None:
    assert parse_drills(data) == Invalid()


def test_no_drill_file_is_missing(tmp_path: Path) -> None:
    assert read_drills(FileFleetStore(str(tmp_path))) == Missing()


@given(st.binary(max_size=60))
def test_no_bytes_make_the_drill_reader_fail(data: bytes) -> None:
    assert isinstance(parse_drills(data), (DrillRecords, Invalid))

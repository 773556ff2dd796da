"""Following a JSONL file: only what is new is read, whatever happened to the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError
from opsd.storage import follow
from opsd.storage.follow import LogFollower


class Kept:
    """A fold that keeps every row and counts how often it was emptied."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.taken = 0

    def reset(self) -> None:
        self.rows.clear()

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.taken += 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def following(log: Path) -> tuple[Kept, LogFollower]:
    kept = Kept()
    return kept, LogFollower(str(log), kept, what="policy history")


def test_only_what_was_appended_is_read_again(log: Path) -> None:
    kept, follower = following(log)
    log.write_text('{"a":1}\n{"a":2}\n')
    follower.catch_up()
    with log.open("a") as file:
        file.write('{"a":3}\n')
    follower.catch_up()
    follower.catch_up()
    assert (kept.rows, kept.taken) == ([{"a": 1}, {"a": 2}, {"a": 3}], 3)


@pytest.mark.parametrize("text", ["", " \n\n", "null\n"])
def test_nothing_is_no_row(log: Path, text: str) -> None:
    kept, follower = following(log)
    follower.catch_up()
    log.write_text(text)
    follower.catch_up()
    assert kept.rows == []


def test_a_torn_last_line_waits_until_it_is_whole(log: Path) -> None:
    kept, follower = following(log)
    log.write_text('{"a":1}\n{"a":')
    follower.catch_up()
    assert (kept.rows, follower.torn) == ([{"a": 1}], True)
    with log.open("a") as file:
        file.write("2}\n")
    follower.catch_up()
    assert (kept.rows, follower.torn) == ([{"a": 1}, {"a": 2}], False)


def test_a_last_line_that_only_lacks_its_newline_counts_once(log: Path) -> None:
    kept, follower = following(log)
    log.write_text('{"a":1}\n{"a":2}')
    follower.catch_up()
    with log.open("a") as file:
        file.write('\n{"a":3}\n')
    follower.catch_up()
    assert kept.rows == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("text", ['{"a":1}\n{oops\n{}\n', '{"a":1}\n7\n', '{"a":1}\n[]\n', "{]\n"])
def test_a_bad_line_inside_stops_the_reader_until_it_is_mended(log: Path, text: str) -> None:
    kept, follower = following(log)
    log.write_text(text)
    for _ in range(2):
        with pytest.raises(ManagerFileError, match=f"invalid policy history JSONL: {log}"):
            follower.catch_up()
        assert kept.rows == []
    log.write_text('{"a":1}\n')
    follower.catch_up()
    assert kept.rows == [{"a": 1}]


def test_rows_may_stretch_over_lines_or_share_one(log: Path) -> None:
    kept, follower = following(log)
    log.write_text('{\n "a": 1\n}\n{"a":2} {"a":3}\nnull\n')
    follower.catch_up()
    assert kept.rows == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("how", ["shorter", "replaced", "rewritten in place"])
def test_another_file_is_read_from_its_start(log: Path, how: str) -> None:
    kept, follower = following(log)
    log.write_text('{"a":1}\n{"a":2}\n')
    follower.catch_up()
    if how == "shorter":
        log.write_text('{"b":1}\n')
    elif how == "replaced":
        (log.parent / "new").write_text('{"b":1}\n{"b":2}\n{"b":3}\n')
        os.replace(log.parent / "new", log)
    else:
        log.write_text('{"b":1}\n{"b":2}\n{"b":3}\n')
    follower.catch_up()
    assert kept.rows[0] == {"b": 1}
    assert len(kept.rows) == (1 if how == "shorter" else 3)


@given(
    values=st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=20), max_size=2), max_size=12),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    block=st.integers(1, 64),
)
def test_however_it_arrives_every_row_is_taken_in_once(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], cuts: list[int], block: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "rows.jsonl"
    data = "".join(json.dumps(value) + "\n" for value in values).encode()
    kept, follower = following(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "_BLOCK", block)
        for cut in [*sorted(cuts), len(data)]:
            path.write_bytes(data[:cut])
            follower.catch_up()
    assert kept.rows == values

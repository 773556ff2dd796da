"""The newest rows of a file, read from its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import LoopId
from opsd.storage.model import Commit, RowLog
from opsd.storage.store import FileLoopStore
from opsd.storage.tail import last_complete_line, lines_backwards, newest_row, tail_lines, tail_rows

_LINES = st.lists(st.binary(max_size=30_000).map(lambda data: data.replace(b"\n", b"")), max_size=12)


@given(_LINES, st.integers(1, 14), st.binary(max_size=9).map(lambda data: data.replace(b"\n", b"")))
def test_the_last_complete_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], count: int, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("tail") / "rows"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    assert tail_lines(str(path), count) == lines[-count:]


_LONG_LINES = st.lists(st.integers(0, 150_000).map(lambda size: b"%d " % size + b"x" * size), max_size=8)


@given(_LINES | _LONG_LINES, st.binary(max_size=9).map(lambda data: data.replace(b"\n", b"")))
def test_every_line_backwards_across_blocks_and_the_log_that_was_put_aside(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], last: bytes
) -> None:
    path = tmp_path_factory.mktemp("tail") / "rows"
    path.with_name("rows.1").write_bytes(b"older\n\n")
    path.write_bytes(b"".join(line + b"\n" for line in lines) + last)
    assert list(lines_backwards(str(path))) == [line for line in (last, *reversed(lines), b"older") if line.strip()]


def test_a_log_that_was_put_aside_is_read_on(tmp_path: Path) -> None:
    (tmp_path / "rows.1").write_text("1\n2\n3\n")
    (tmp_path / "rows").write_text("4\n")
    assert tail_lines(str(tmp_path / "rows"), 3) == [b"2", b"3", b"4"]
    assert tail_lines(str(tmp_path / "missing"), 3) == []


def test_blank_lines_give_no_row_and_null_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text('{"a": 1}\n\n  \nnull\n{"torn"')
    assert tail_rows(str(path), 10) == [{"a": 1}, {}]
    assert tail_rows(str(path), 1) == [{}]


@pytest.mark.parametrize(("line", "told"), [("{bad", "invalid JSON row at line 2"), ("[1]", "row at line 2")])
def test_a_bad_row_is_named_by_its_line_and_only_inside_the_window(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "rows"
    path.write_text(f"{{}}\n{line}\n{{}}\n")
    with pytest.raises(ManagerFileError, match=told):
        tail_rows(str(path), 2)
    assert tail_rows(str(path), 1) == [{}]


def test_the_store_remembers_the_newest_rows_and_notices_another_writer(tmp_path: Path) -> None:
    store = FileLoopStore(str(tmp_path), LoopId("demo"))
    for number in range(5):
        store.load(tail=3)
        store.commit(Commit(rows=[(RowLog.RECONCILE, {"durationSeconds": number})]))
    path = Path(store.location(RowLog.RECONCILE))
    assert [row.duration_s for row in store.load(tail=3).tail.reconcile] == [2, 3, 4]
    with path.open("a") as file:
        file.write(json.dumps({"durationSeconds": 9}) + "\n")
    assert [row.duration_s for row in store.load(tail=3).tail.reconcile] == [3, 4, 9]
    with path.open("a") as file:
        file.write("damaged\n")
    assert "line 7" in (store.load(tail=3).tail.error or "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", None),
        (b'{"a":1}\n', {"a": 1}),
        (b'{"a":1}\n{"a":2}', {"a": 2}),
        (b'{"a":1}\n{"a":', {"a": 1}),
        (b'{"a":', None),
        (b'{"a":1}\n\n', None),
        (b'{"a":1}\nno json\n', None),
        (b'{"a":1}\n17\n', None),
        (b'{"a":1}\n[1]', None),
        (b'{"a":1}\nnull\n', None),
        (b"x" * 300_000 + b'\n{"a":"' + b"y" * 200_000 + b'"}\n{"torn', {"a": "y" * 200_000}),
    ],
)
def test_the_newest_row_is_the_last_line_and_a_torn_one_hides_nothing(
    tmp_path: Path, content: bytes, expected: object
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    assert newest_row(str(path)) == expected


def test_a_log_that_is_not_there_has_no_newest_row(tmp_path: Path) -> None:
    assert newest_row(str(tmp_path / "none.jsonl")) is None
    assert newest_row(str(tmp_path)) is None


@given(
    rows=st.lists(st.binary(max_size=20000).map(lambda data: data.replace(b"\n", b" ")), max_size=6),
    torn=st.binary(max_size=30),
)
def test_the_last_complete_line_is_found_from_the_end(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows"
    path.write_bytes(b"".join(row + b"\n" for row in rows) + torn.replace(b"\n", b""))
    assert last_complete_line(str(path)) == (rows[-1] if rows else b"")

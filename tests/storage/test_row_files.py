"""Files of rows: whole lines only, whatever crashes or lies there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.storage import audit_chain, files, row_files
from opsd.storage.tail import last_complete_line, lines_backwards, newest_row, tail_lines, tail_rows


def test_a_torn_last_row_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row_files.append_lines(str(path), b"1\n2\n")
    path.write_bytes(path.read_bytes() + b'{"torn')
    row_files.append_lines(str(path), b"3\n", durable=True)
    assert path.read_bytes() == b'1\n2\n{"torn\n3\n'


def test_the_only_writer_of_a_log_leaves_no_torn_row_in_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'1\n{"torn')
    row_files.append_lines(str(path), b"2\n", is_whole=jsoncodec.is_json)
    path.write_bytes(path.read_bytes() + b"3")  # only its newline is missing
    row_files.append_lines(str(path), b"4\n", is_whole=jsoncodec.is_json)
    assert path.read_bytes() == b"1\n2\n3\n4\n"


def test_a_log_that_grew_too_large_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for number in range(5):
        row_files.append_lines(str(path), b"%d\n" % number, rotate_over=3)
    assert (path.read_bytes(), path.with_suffix(".jsonl.1").read_bytes()) == (b"4\n", b"2\n3\n")


@pytest.mark.parametrize("long", [3, 20_000])
def test_only_a_torn_last_line_is_cut_off(tmp_path: Path, long: int) -> None:
    path = tmp_path / "rows.jsonl"
    whole = b"a" * long

    def cut(data: bytes) -> tuple[bool, bytes]:
        path.write_bytes(data)
        return row_files.cut_torn_line(str(path), lambda line: line == whole), path.read_bytes()

    assert cut(b"") == (False, b"")
    assert cut(whole + b"\n") == (False, whole + b"\n")
    assert cut(b"x\n" + whole) == (False, b"x\n" + whole)
    assert cut(b"x\n" + whole[:-1]) == (True, b"x\n")
    assert cut(whole[:-1]) == (True, b"")
    path.unlink()
    assert row_files.cut_torn_line(str(path), lambda _line: False) is False


def test_a_pipe_in_place_of_a_log_is_not_waited_for(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    assert (tail_lines(pipe, 3), tail_rows(pipe, 3), newest_row(pipe)) == ([], [], None)
    assert (list(lines_backwards(pipe)), last_complete_line(pipe), files.read_bytes(pipe)) == ([], b"", None)
    with pytest.raises(ManagerFileError, match="pipe: not a regular file"):
        row_files.append_lines(pipe, b"row\n")


def test_a_pipe_in_place_of_an_audit_log_takes_no_row_and_is_not_waited_for(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    audit_chain.append_audited(log, [{"number": 1}])
    os.remove(log)
    os.mkfifo(log)
    report = audit_chain.verify(log)
    assert report is not None
    assert not report.ok
    with pytest.raises(ManagerFileError):
        audit_chain.append_audited(log, [{"number": 2}])


def test_a_log_begins_anew_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"1\n2\n")
    path.chmod(0o600)
    (tmp_path / "rows.jsonl.1").write_bytes(b"0\n")
    row_files.begin_anew(str(path), b"2\n")
    assert (path.read_bytes(), (tmp_path / "rows.jsonl.1").read_bytes()) == (b"2\n", b"1\n2\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["rows.jsonl", "rows.jsonl.1"]


def test_a_log_that_cannot_be_kept_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"1\n2\n")

    def refuse(*_args: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    row_files.begin_anew(str(path), b"2\n")
    assert path.read_bytes() == b"1\n2\n"
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_no_descriptor_is_closed_twice_where_a_log_cannot_be_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time it could be another thread's by then: a lock, a connection."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"1\n2\n")
    really_open, really_close = os.open, os.close
    closed: list[int] = []

    def refuse_a_new_one(name: str, flags: int, mode: int) -> int:
        if not os.path.exists(name):
            raise OSError(errno.EMFILE, "Too many open files")
        return really_open(name, flags, mode)

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        really_close(descriptor)

    monkeypatch.setattr(os, "open", refuse_a_new_one)
    monkeypatch.setattr(os, "close", close)
    with pytest.raises(ManagerFileError, match="Too many open files"):
        row_files.append_lines(str(path), b"3\n", rotate_over=3)
    assert len(closed) == 1

"""The journal reader against a plain model of the file, whatever is appended, torn, shrunk or replaced."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.contract.errors import ArtifactError
from opsd.runtime.journal import Journal

pieces = st.lists(st.binary(max_size=200) | st.sampled_from([b"\n", b"a\n", b"\n\n", b"{}", b" \n"]), max_size=8)


def read_all(journal: Journal, after: int = 0, block_bytes: int = 64) -> list[bytes]:
    lines: list[bytes] = []
    for block in journal.blocks(after, block_bytes=block_bytes):
        assert block.first_number == after + len(lines) + 1
        found = block.lines()
        assert b"".join(found) == block.data
        assert all(line.endswith(b"\n") for line in found)
        lines += [line[:-1] for line in found]
        journal.bookmark(after + len(lines), block.start + len(block.data))
    return lines


def check(journal: Journal, content: bytes) -> None:
    complete = content[: content.rfind(b"\n") + 1]
    lines = complete.split(b"\n")[:-1]
    assert journal.line_count == len(lines)
    assert journal.size == len(content)
    assert journal.sha256_hex == hashlib.sha256(content).hexdigest()
    for after in {0, len(lines) // 2, len(lines)}:
        assert read_all(journal, after) == lines[after:]
    filled = [line for line in lines if line.strip(b" \t\r")]
    assert journal.last_line() == (filled[-1].rstrip(b" \t\r") if filled else b"")


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_appended_pieces_are_read_as_if_the_file_were_read_whole(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    journal = Journal(str(path))
    content = b""
    for part in parts:
        content += part
        with path.open("ab") as file:
            file.write(part)
        journal.refresh()
        check(journal, content)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.binary(max_size=300), st.booleans())
def test_a_replaced_or_shortened_file_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, first: bytes, second: bytes, in_place: bool
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    path.write_bytes(first)
    journal = Journal(str(path))
    journal.refresh()
    if in_place:
        path.write_bytes(second)
        os.utime(path, ns=(1, 1))
    else:
        other = path.with_name("other")
        other.write_bytes(second)
        other.replace(path)
    journal.refresh()
    check(journal, second)


def test_a_rewrite_in_place_that_is_longer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n' * 3)
    journal = Journal(str(path))
    journal.refresh()
    path.write_bytes(b'{"b":2}\n' * 9)
    assert journal.refresh()
    assert journal.generation == 1
    check(journal, b'{"b":2}\n' * 9)


def test_an_unchanged_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{}\n")
    journal = Journal(str(path))
    assert journal.refresh()
    path.chmod(0)  # root reads it all the same; the point is that nothing has to
    assert not journal.refresh()
    assert not journal.changed()


def test_lines_are_found_again_far_behind_the_bookmark(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * (n % 700)) for n in range(5000)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    journal = Journal(str(path))
    journal.refresh()
    for number in (5000, 1, 2500, 4999, 2, 1777):
        assert journal.line(number) == lines[number - 1]
    assert read_all(journal, 4990, block_bytes=16) == lines[4990:]


def test_a_ten_megabyte_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    long = b'{"data":"' + b"x" * (10 * 1024 * 1024) + b'"}'
    path.write_bytes(b"{}\n" + long + b"\n{}\ntorn")
    journal = Journal(str(path))
    journal.refresh()
    assert [len(line) for line in read_all(journal)] == [2, len(long), 2]
    assert journal.line(2) == long
    assert journal.line(3) == b"{}"
    assert journal.last_line() == b"{}"


def test_a_line_over_the_limit_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{}\n" + b"x" * 5000 + b"\n{}\n")
    journal = Journal(str(path), max_line_bytes=4096)
    journal.refresh()
    with pytest.raises(ArtifactError, match="event line 2 is longer than 4096 bytes"):
        read_all(journal)
    assert read_all(journal, after=2) == [b"{}"]


def test_a_fifo_in_place_of_the_journal_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    os.mkfifo(path)
    journal = Journal(str(path))
    journal.refresh()
    assert not journal.exists


def test_a_file_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{}\n")
    journal = Journal(str(path))
    journal.refresh()
    path.unlink()
    assert journal.refresh()
    assert (journal.exists, journal.line_count) == (False, 0)

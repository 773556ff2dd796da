"""The audit chain. Invariant: whoever may not write the head too cannot change what stands in the log unnoticed."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.storage import files
from opsd.storage.audit_chain import append_audited, head_file, verify
from opsd.storage.audit_verify import ChainReport, decode_head
from opsd.storage.tail import newest_row


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "telemetry" / "audit.jsonl"


def append(log: Path, *values: Any) -> None:
    for value in values:
        append_audited(str(log), [{"value": value}])


def check(log: Path) -> ChainReport:
    report = verify(str(log))
    assert report is not None
    return report


def problems(log: Path) -> list[tuple[str, int]]:
    return [(one["problem"], one["row"]) for one in check(log).problems]


def lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def test_rows_are_chained_in_order_and_readable_by_their_owner_only(log: Path) -> None:
    append_audited(str(log), [{"value": 1}, {"value": 2}])
    append(log, 3)
    report = check(log)
    assert (report.ok, report.rows, report.chained, report.behind_head) == (True, 3, 3, 0)
    assert [json.loads(line)["value"] for line in lines(log)] == [1, 2, 3]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert newest_row(str(log)) == json.loads(lines(log)[-1])


def test_without_rows_the_log_is_created_and_in_order(log: Path) -> None:
    assert verify(str(log)) is None
    append_audited(str(log), [])
    assert check(log).ok
    assert log.read_bytes() == b""


def test_rows_from_before_the_chain_are_accepted_and_covered_from_then_on(log: Path) -> None:
    log.parent.mkdir()
    log.write_text('{"value":"old"}\n{"value":"older"}')
    assert check(log).ok
    append(log, 1, 2)
    report = check(log)
    assert (report.ok, report.rows, report.chained) == (True, 4, 2)
    log.write_bytes(log.read_bytes().replace(b"older", b"olden"))
    assert problems(log) == [("row_does_not_follow", 3)]


def test_an_edited_row_is_found(log: Path) -> None:
    append(log, 1, 2, 3)
    log.write_bytes(log.read_bytes().replace(b'"value":2', b'"value":9'))
    assert problems(log) == [("row_does_not_follow", 3)]


def test_an_edited_last_row_is_found(log: Path) -> None:
    append(log, 1, 2, 3)
    log.write_bytes(log.read_bytes().replace(b'"value":3', b'"value":9'))
    assert problems(log) == [("last_row_altered", 3)]


def test_a_deleted_row_is_found(log: Path) -> None:
    append(log, 1, 2, 3, 4)
    rows = lines(log)
    log.write_bytes(b"".join([rows[0], *rows[2:]]))
    assert ("row_does_not_follow", 2) in problems(log)


def test_a_changed_order_is_found(log: Path) -> None:
    append(log, 1, 2, 3, 4)
    rows = lines(log)
    log.write_bytes(b"".join([rows[0], rows[2], rows[1], rows[3]]))
    assert {row for _problem, row in problems(log)} == {2, 3, 4}


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_cut_off_tail_is_found(log: Path, left: int) -> None:
    append(log, 1, 2, 3)
    log.write_bytes(b"".join(lines(log)[:left]))
    assert problems(log) == [("rows_cut_off", left)]


def test_a_deleted_log_is_found(log: Path) -> None:
    append(log, 1)
    log.unlink()
    assert problems(log) == [("rows_cut_off", 0)]


def test_a_row_that_something_else_wrote_is_found(log: Path) -> None:
    append(log, 1)
    with log.open("a") as file:
        file.write('{"value":"foreign"}\n')
    assert problems(log) == [("row_not_chained", 2)]


def test_what_was_done_to_a_log_stays_visible_however_much_is_appended(log: Path) -> None:
    append(log, 1, 2, 3)
    log.write_bytes(b"".join(lines(log)[:2]))
    append(log, 4, 5)
    assert problems(log) == [("row_does_not_follow", 3)]
    assert check(log).rows == 4


def test_a_deleted_head_is_found_also_after_it_was_made_anew(log: Path) -> None:
    append(log, 1, 2)
    Path(head_file(str(log))).unlink()
    assert problems(log) == [("head_missing", 2)]
    append(log, 3)
    assert problems(log) == [("head_was_missing", 3)]


def test_a_damaged_head_is_found(log: Path) -> None:
    append(log, 1)
    Path(head_file(str(log))).write_text("{")
    assert problems(log) == [("head_unreadable", 1)]
    assert decode_head(b'{"rows":true,"lastRowHash":"x","sizeBytes":1}') is None


def test_a_crash_between_the_rows_and_the_head_is_no_finding(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, 1)
    before = Path(head_file(str(log))).read_bytes()
    append(log, 2, 3)
    Path(head_file(str(log))).write_bytes(before)
    report = check(log)
    assert (report.ok, report.behind_head) == (True, 2)
    append(log, 4)
    report = check(log)
    assert (report.ok, report.rows, report.behind_head) == (True, 4, 0)


def test_a_crash_in_the_middle_of_a_row_is_no_finding(log: Path) -> None:
    append(log, 1)
    with log.open("ab") as file:
        file.write(b'{"value":2,"previousRow')
    report = check(log)
    assert (report.ok, report.rows, report.torn_tail) == (True, 1, True)
    append_audited(str(log), [])
    append(log, 3)
    assert (check(log).ok, len(lines(log))) == (True, 2)


def test_a_crash_before_the_rows_newline_keeps_the_row(log: Path) -> None:
    append(log, 1)
    before = Path(head_file(str(log))).read_bytes()
    append(log, 2)
    Path(head_file(str(log))).write_bytes(before)
    log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    assert check(log).ok
    append(log, 3)
    assert (check(log).ok, check(log).rows) == (True, 3)


def test_a_failed_append_leaves_the_log_in_order(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write_all", full)
        with pytest.raises(Exception, match="No space left"):
            append(log, 2)
    assert check(log).ok
    append(log, 3)
    assert (check(log).ok, check(log).rows) == (True, 2)


@given(st.data())
def test_no_change_of_a_complete_log_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    old = data.draw(st.integers(0, 2))
    log.write_text("".join(f'{{"old":{number}}}\n' for number in range(old)))
    append(log, *data.draw(st.lists(st.text(max_size=6), min_size=1, max_size=6)))
    whole = log.read_bytes()
    rows = whole.splitlines(keepends=True)
    match data.draw(st.sampled_from(["byte", "delete", "swap", "repeat", "cut"])):
        case "byte":
            at = data.draw(st.integers(0, len(whole) - 2))
            changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
        case "delete":
            at = data.draw(st.integers(0, len(rows) - 1))
            changed = b"".join(rows[:at] + rows[at + 1 :])
        case "swap":
            one, two = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(rows) - 1))
            rows[one], rows[two] = rows[two], rows[one]
            changed = b"".join(rows)
        case "repeat":
            at = data.draw(st.integers(0, len(rows) - 1))
            changed = b"".join(rows[: at + 1] + rows[at:])
        case _:
            changed = whole[: data.draw(st.integers(0, len(whole) - 2))]
    log.write_bytes(changed)
    assert check(log).ok == (changed == whole)
    append(log, "later")
    assert check(log).ok == (changed == whole)

"""The write-ahead journal of runs."""

from __future__ import annotations

from pathlib import Path

from opsd.storage.run_journal import ABANDONED, RECORDED, RunJournal


def test_a_run_is_open_from_its_first_row_to_its_last(tmp_path: Path) -> None:
    journal = RunJournal(str(tmp_path / "deep" / "journal.jsonl"))
    assert journal.open_runs() == {}
    journal.begin("a", "applying", {"n": 1})
    journal.begin("b", "applying", {"n": 2})
    journal.append("b", "rolling_back", {"why": "?"})
    assert [[row["phase"] for row in rows] for rows in journal.open_runs().values()] == [
        ["applying"],
        ["applying", "rolling_back"],
    ]
    journal.append("a", RECORDED)
    journal.append("b", ABANDONED)
    assert journal.open_runs() == {}


def test_a_row_that_a_crash_tore_is_none_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"runId":"a","phase":"appl')
    journal = RunJournal(str(path))
    assert journal.open_runs() == {}
    journal.begin("b", "applying", {})
    assert list(journal.open_runs()) == ["b"]


def test_the_journal_is_put_aside_only_while_no_run_is_open(tmp_path: Path) -> None:
    journal = RunJournal(str(tmp_path / "journal.jsonl"))
    journal.begin("a", "applying", {"filler": "x" * 1024 * 1024})
    journal.begin("b", "applying", {})
    assert set(journal.open_runs()) == {"a", "b"}
    journal.append("a", RECORDED)
    journal.append("b", RECORDED)
    journal.begin("c", "applying", {})
    assert set(journal.open_runs()) == {"c"}
    assert (tmp_path / "journal.jsonl.1").exists()

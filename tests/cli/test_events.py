"""``opsd events``: what is printed, and when the cursor moves."""

from __future__ import annotations

import json

import pytest

from opsd.cli.loop import events
from tests.cli.support import Repo, Shell


def _cursor(repo: Repo) -> dict[str, object]:
    document: dict[str, object] = json.loads((repo.loop_dir / "ops-manager.cursor.json").read_text())
    return document


def _write_cursor(repo: Repo, text: str) -> None:
    (repo.loop_dir / "ops-manager.cursor.json").write_text(text)


def test_each_event_comes_once_in_order(opsd: Shell, repo: Repo) -> None:
    repo.append("a", "b")
    first = opsd("events", *repo.flags, "--trace-id", "t")
    assert (first.exit, first.err) == (0, "")
    assert [line["event"]["name"] for line in first.lines] == ["a", "b"]
    assert {line["traceId"] for line in first.lines} == {"t"}
    repo.append("c")
    assert [line["event"]["name"] for line in opsd("events", *repo.flags).lines] == ["c"]
    assert opsd("events", *repo.flags).out == b""
    assert _cursor(repo)["eventLineOffset"] == 3


def test_the_cursor_file_has_the_contracts_form(opsd: Shell, repo: Repo) -> None:
    repo.append("a")
    opsd("events", *repo.flags)
    text = (repo.loop_dir / "ops-manager.cursor.json").read_text()
    assert text.startswith('{\n  "schemaVersion": "v1",\n  "repoPath": ')
    assert text.endswith("\n}\n")
    assert list(_cursor(repo))[:7] == [
        "schemaVersion", "repoPath", "loopId", "eventsFile", "eventLineOffset", "eventLineCount", "updatedAt",
    ]  # fmt: skip


def test_a_limit_stops_and_the_next_call_goes_on(opsd: Shell, repo: Repo) -> None:
    repo.append("a", "b", "c")
    assert len(opsd("events", *repo.flags, "--max-events", "2").lines) == 2
    assert [line["event"]["name"] for line in opsd("events", *repo.flags).lines] == ["c"]


def test_batches_make_one_gapless_answer(opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 3)
    repo.append(*(f"e{number}" for number in range(10)))
    repo.append_text("\n\n")
    repo.append("last")
    lines = opsd("events", *repo.flags, "--max-events", "11").lines
    assert [line["sequence"]["value"] for line in lines] == [*range(1, 11), 13]
    assert {line["cursor"]["eventLineCount"] for line in lines} == {13}
    assert _cursor(repo)["eventLineOffset"] == 13


@pytest.mark.parametrize(
    ("text", "offset"),
    [('{"eventLineOffset":"1"}', 1), ('{"eventLineOffset":2.0}', 2), ('{"eventLineOffset":null}', 0),
     ('{"eventLineOffset":false}', 0), ("{}", 0), ("null", 0)],
)  # fmt: skip
def test_these_cursor_values_are_accepted(opsd: Shell, repo: Repo, text: str, offset: int) -> None:
    repo.append("a", "b")
    _write_cursor(repo, text)
    assert len(opsd("events", *repo.flags).lines) == 2 - offset


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"eventLineOffset":{value}}}', "invalid cursor offset in ")
        for value in ("-1", "1.5", "true", '"x"', "[]", '""')
    ]
    + [("", "invalid cursor offset in "), ("{", "invalid JSON in cursor file: ")]
    + [(value, "unexpected JSON type in cursor file: ") for value in ("[]", "7", '"s"', "true")],
)
def test_these_are_refused_and_stay_as_they_are(opsd: Shell, repo: Repo, text: str, message: str) -> None:
    repo.append("a")
    _write_cursor(repo, text)
    result = opsd("events", *repo.flags)
    cursor_file = repo.loop_dir / "ops-manager.cursor.json"
    assert (result.exit, result.out, result.err) == (1, b"", f"error: {message}{cursor_file}\n")
    assert cursor_file.read_text() == text
    assert len(opsd("events", *repo.flags, "--from-start").lines) == 1


def test_a_cursor_ahead_of_the_journal_is_refused(opsd: Shell, repo: Repo) -> None:
    repo.append("a")
    _write_cursor(repo, '{"eventLineOffset":9}')
    message = "error: cursor offset (9) exceeds available events (1); reset cursor or use --from-start\n"
    assert opsd("events", *repo.flags).err == message


def test_a_replaced_journal_is_noticed(opsd: Shell, repo: Repo) -> None:
    repo.append("a", "b")
    opsd("events", *repo.flags)
    repo.journal.unlink()
    repo.append("x", "y", "z")
    assert "cursor does not match the journal" in opsd("events", *repo.flags).err


def test_a_failed_call_prints_nothing_and_keeps_the_cursor(opsd: Shell, repo: Repo) -> None:
    repo.append("a")
    repo.append_text("{broken\n")
    result = opsd("events", *repo.flags)
    assert (result.exit, result.out) == (1, b"")
    assert result.err == f"error: invalid JSON event at line 2 in {repo.journal}\n"
    assert not (repo.loop_dir / "ops-manager.cursor.json").exists()


def test_an_operator_can_step_over_a_bad_line_and_it_is_recorded(opsd: Shell, repo: Repo) -> None:
    repo.append("a")
    repo.append_text("{broken\n")
    repo.append("b")
    result = opsd("events", *repo.flags, "--skip-bad-line", "2")
    assert [line["sequence"]["value"] for line in result.lines] == [1, 3]
    assert _cursor(repo)["skippedLine"] == 2
    assert opsd("events", *repo.flags, "--skip-bad-line", "0").err == "error: --skip-bad-line must be an integer >= 1\n"


def test_a_line_that_can_be_read_is_never_stepped_over(opsd: Shell, repo: Repo) -> None:
    repo.append("a", "b")
    result = opsd("events", *repo.flags, "--skip-bad-line", "2")
    assert (result.exit, result.out) == (1, b"")
    assert result.err == f"error: line 2 of {repo.journal} is an event that can be read; it is not stepped over\n"
    assert not (repo.loop_dir / "ops-manager.cursor.json").exists()


def test_a_cursor_file_elsewhere_gets_its_folders(opsd: Shell, repo: Repo) -> None:
    repo.append("a")
    target = repo.root / "deep" / "er" / "cursor.json"
    assert opsd("events", *repo.flags, "--cursor-file", target).exit == 0
    assert json.loads(target.read_text())["eventLineOffset"] == 1
    assert not (repo.loop_dir / "ops-manager.cursor.json").exists()


def test_missing_artifacts_come_before_a_bad_cursor(opsd: Shell, repo: Repo) -> None:
    repo.journal.unlink()
    _write_cursor(repo, "{")
    assert opsd("events", *repo.flags).err == f"error: required artifact missing: {repo.journal}\n"

"""Snapshots and polls over recorded runs, and over what a running runtime leaves for a reader to meet."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.contract import jsoncodec
from opsd.contract.errors import ArtifactError, CursorError, UsageError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.reader import LoopReader
from tests.recordings import FINALS, STEPS, Recorded, install

NOW = "2026-11-24T12:00:00Z"


def reader(repo: Path, loop_id: str) -> LoopReader:
    return LoopReader(str(repo), parse_loop_id(loop_id), sleep=lambda _seconds: None)


def poll_all(source: LoopReader, *, page: int = 0) -> list[dict[str, object]]:
    offset, found = 0, []
    anchor = None
    while True:
        result = source.poll(offset=offset, max_events=page, now=NOW, trace_id="t", anchor=anchor)
        found += [dict(event) for event in result.events]
        if result.offset == offset:
            return found
        offset, anchor = result.offset, result.anchor


@pytest.mark.parametrize("recorded", [*FINALS, *STEPS], ids=str)
def test_every_recorded_moment_has_its_state(recorded: Recorded) -> None:
    source = reader(recorded.repo, recorded.loop_id)
    if recorded.expected_state is None:
        with pytest.raises(ArtifactError):
            source.snapshot(now=NOW, trace_id=None)
        return
    envelope = source.snapshot(now=NOW, trace_id=None)
    assert envelope["run"]["status"] == recorded.expected_state
    assert envelope["cursor"] == {"eventLineOffset": recorded.lines, "eventLineCount": recorded.lines}
    assert jsoncodec.loads(source.snapshot_bytes(now=NOW, trace_id=None)) == envelope


@pytest.mark.parametrize("recorded", [r for r in FINALS if not r.invalid_lines], ids=str)
def test_a_whole_recording_is_polled_line_by_line(recorded: Recorded) -> None:
    events = poll_all(reader(recorded.repo, recorded.loop_id), page=7)
    lines = [json.loads(line) for line in recorded.journal.read_bytes().split(b"\n")[: recorded.lines]]
    assert [event["sequence"]["value"] for event in events] == list(range(1, recorded.lines + 1))  # type: ignore[index]
    assert [event["event"]["raw"] for event in events] == lines  # type: ignore[index]


@pytest.mark.parametrize("recorded", [r for r in FINALS if r.invalid_lines], ids=str)
def test_an_undecodable_line_stops_the_poll_until_an_operator_steps_over_it(recorded: Recorded) -> None:
    source = reader(recorded.repo, recorded.loop_id)
    (bad,) = recorded.invalid_lines
    with pytest.raises(ArtifactError, match=f"invalid JSON event at line {bad} in "):
        source.poll(offset=0, max_events=0, now=NOW, trace_id=None)
    assert source.poll(offset=0, max_events=bad - 1, now=NOW, trace_id=None).offset == bad - 1
    stepped = source.poll(offset=bad - 1, max_events=0, now=NOW, trace_id=None, skip_line=bad)
    assert [event["sequence"]["value"] for event in stepped.events] == list(range(bad + 1, recorded.lines + 1))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_journal_cut_anywhere_gives_each_event_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    recorded = data.draw(st.sampled_from([r for r in FINALS if not r.invalid_lines]))
    content = recorded.journal.read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    repo = tmp_path_factory.mktemp("cut")
    target = repo / ".superloop" / "loops" / recorded.loop_id / "events.jsonl"
    target.parent.mkdir(parents=True)
    target.touch()
    source = reader(repo, recorded.loop_id)
    seen: list[int] = []
    anchor, offset, written = None, 0, 0
    for cut in [*cuts, len(content)]:
        with target.open("ab") as file:
            file.write(content[written:cut])
        written = cut
        result = source.poll(offset=offset, max_events=0, now=NOW, trace_id=None, anchor=anchor)
        seen += [event["sequence"]["value"] for event in result.events]
        offset, anchor = result.offset, result.anchor
        assert source.snapshot(now=NOW, trace_id=None)["cursor"]["eventLineCount"] == offset
    assert seen == list(range(1, recorded.lines + 1))


@pytest.mark.parametrize("case", sorted({r.case for r in STEPS}))
def test_a_reader_that_follows_a_run_sees_every_recorded_step(case: str, tmp_path: Path) -> None:
    final = next(r for r in FINALS if r.case == case)
    source = reader(tmp_path, final.loop_id)
    for step in [r for r in STEPS if r.case == case and r.loop_id == final.loop_id] + [final]:
        install(step, tmp_path)
        if step.expected_state is None:
            with pytest.raises(ArtifactError):
                source.snapshot(now=NOW, trace_id=None)
        else:
            assert source.snapshot(now=NOW, trace_id=None)["run"]["status"] == step.expected_state


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    install(next(r for r in FINALS if r.case == "max_iterations_stop"), tmp_path)
    return tmp_path


def test_an_unchanged_loop_is_answered_by_stats(repo: Path) -> None:
    source = reader(repo, "search-index")
    assert source.cached_snapshot_bytes(now=NOW, trace_id=None) is None
    first = source.snapshot_bytes(now=NOW, trace_id='a"b')
    for document in source._documents._all:
        document.settled = True  # the files are older than the settling time in real life
    source._settled = True
    again = source.cached_snapshot_bytes(now=NOW, trace_id=None)
    assert again is not None
    assert {**jsoncodec.loads(first), "traceId": None} == jsoncodec.loads(again)
    with (repo / ".superloop/loops/search-index/events.jsonl").open("a") as file:
        file.write("{")
    assert source.cached_snapshot_bytes(now=NOW, trace_id=None) is None


def test_an_empty_file_is_read_again_for_a_moment(repo: Path) -> None:
    state = repo / ".superloop" / "state.json"
    content = state.read_text()
    state.write_text("")
    naps: list[float] = []

    def rewrite_after_two_naps(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            state.write_text(content)

    source = LoopReader(str(repo), parse_loop_id("search-index"), sleep=rewrite_after_two_naps)
    assert source.snapshot(now=NOW, trace_id=None)["run"]["status"] == "stopped"
    assert len(naps) == 2
    state.write_text("")
    naps[:] = [0.0] * 10
    with pytest.raises(ArtifactError, match=f"invalid JSON in {state}"):
        source.snapshot(now=NOW, trace_id=None)
    assert sum(naps) <= 0.25


def test_a_cursor_ahead_of_the_journal_is_refused(repo: Path) -> None:
    with pytest.raises(CursorError, match=r"cursor offset \(99\) exceeds available events \(62\)"):
        reader(repo, "search-index").poll(offset=99, max_events=0, now=NOW, trace_id=None)


def test_a_cursor_of_another_journal_is_refused(repo: Path) -> None:
    source = reader(repo, "search-index")
    anchor = source.poll(offset=0, max_events=10, now=NOW, trace_id=None).anchor
    assert source.poll(offset=10, max_events=1, now=NOW, trace_id=None, anchor=anchor).offset == 11
    journal = repo / ".superloop/loops/search-index/events.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(reversed(lines)))
    with pytest.raises(CursorError, match="cursor does not match the journal"):
        source.poll(offset=10, max_events=1, now=NOW, trace_id=None, anchor=anchor)


def written(root: Path, *lines: str) -> LoopReader:
    """A reader of a journal with these lines; each is an event's name, or a broken line as it is."""
    folder = root / ".superloop" / "loops" / "demo"
    folder.mkdir(parents=True)
    texts = [
        line if line[:1] == "{" else json.dumps({"timestamp": NOW, "event": line, "run_id": "r"}) for line in lines
    ]
    (folder / "events.jsonl").write_text("\n".join(texts) + "\n")
    return reader(root, "demo")


def test_a_line_that_can_be_read_is_not_stepped_over_behind_a_limit_either(tmp_path: Path) -> None:
    source = written(tmp_path, "a", "b", "c")
    for read in (source.poll, source.ingest):
        with pytest.raises(UsageError, match=r"line 3 of .* is an event that can be read"):
            read(offset=0, max_events=2, now=NOW, trace_id=None, skip_line=3)
        assert read(offset=0, max_events=1, now=NOW, trace_id=None, skip_line=3).offset == 1


def test_a_bad_line_right_behind_a_limit_is_stepped_over(tmp_path: Path) -> None:
    source = written(tmp_path, "a", "{broken", "c")
    for read in (source.poll, source.ingest):
        assert read(offset=0, max_events=1, now=NOW, trace_id=None, skip_line=2).offset == 2


def test_a_page_ends_where_its_lines_are_long_enough_and_has_one_event_at_least(tmp_path: Path) -> None:
    source = written(tmp_path, *(f"e{number}" for number in range(6)))
    line = os.path.getsize(source.journal.path) // 6

    def page(offset: int, max_bytes: int) -> list[int]:
        found = source.poll(offset=offset, max_events=5, now=NOW, trace_id=None, max_bytes=max_bytes)
        return [event["sequence"]["value"] for event in found.events]

    assert page(0, 1) == [1]
    assert page(1, 2 * line) == [2, 3]
    assert page(0, 0) == page(0, 100 * line) == [1, 2, 3, 4, 5]


def test_missing_artifacts_are_named(tmp_path: Path) -> None:
    source = reader(tmp_path, "ghost")
    folder = tmp_path / ".superloop" / "loops" / "ghost"
    with pytest.raises(ArtifactError, match=f"required artifact root missing: {folder}"):
        source.snapshot(now=NOW, trace_id=None)
    folder.mkdir(parents=True)
    with pytest.raises(ArtifactError, match=f"required artifact missing: {folder}/events.jsonl"):
        source.poll(offset=0, max_events=0, now=NOW, trace_id=None)


def test_invalid_utf8_in_an_event_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / ".superloop" / "loops" / "x"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_bytes(b'{"timestamp":"t","event":"e","message":"a\xffb"}\n')
    (event,) = reader(tmp_path, "x").poll(offset=0, max_events=0, now=NOW, trace_id=None).events
    assert event["event"]["message"] == "a\ufffdb"

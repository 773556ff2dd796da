"""Whole passes over recorded runs: states, crashes between any two writes, locks."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.contract.errors import LockTimeoutError
from opsd.storage import files, row_files
from opsd.storage.layout import ManagerLayout
from opsd.storage.locks import exclusive
from opsd.storage.model import Document, RowLog
from tests.loop.factories import reconciler
from tests.recordings import FINALS, STEPS, Recorded, install


class PowerCut(BaseException):
    """The process ends here; nothing after it happens."""


def rows(repo: Path, loop_id: str, log: RowLog) -> list[dict[str, Any]]:
    path = Path(ManagerLayout(str(repo), loop_id).path(log))  # type: ignore[arg-type]
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def document(repo: Path, loop_id: str, name: Document) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(ManagerLayout(str(repo), loop_id).path(name)).read_text())  # type: ignore[arg-type]
    return value


@pytest.mark.parametrize("recorded", [r for r in FINALS if not r.invalid_lines], ids=str)
def test_a_recording_ends_in_its_state(recorded: Recorded, tmp_path: Path) -> None:
    install(recorded, tmp_path)
    shell, transport = reconciler(str(tmp_path), recorded.loop_id)
    outcome = shell.run(transport, "trace-1")
    assert outcome.failure is None
    assert outcome.document["transition"]["currentState"] == recorded.expected_state
    assert document(tmp_path, recorded.loop_id, Document.CURSOR)["eventLineOffset"] == recorded.lines


def test_an_undecodable_line_fails_the_pass_keeps_the_cursor_and_shows_in_health(tmp_path: Path) -> None:
    recorded = next(r for r in FINALS if r.invalid_lines)
    install(recorded, tmp_path)
    shell, transport = reconciler(str(tmp_path), recorded.loop_id, max_events=12)
    assert shell.run(transport, "t1").failure is None
    before = document(tmp_path, recorded.loop_id, Document.CURSOR)
    outcome = shell.run(transport, "t2")
    assert outcome.failure is not None
    assert "invalid JSON event at line 13" in outcome.failure.message
    assert outcome.health["reasonCodes"] == ["transport_unreachable"] or "ingest_stale" in outcome.health["reasonCodes"]
    assert document(tmp_path, recorded.loop_id, Document.CURSOR) == before
    stepped, transport = reconciler(str(tmp_path), recorded.loop_id, skip_line=13)
    assert stepped.run(transport, "t3").failure is None
    assert rows(tmp_path, recorded.loop_id, RowLog.RECONCILE)[-1]["skippedLine"] == 13


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_crash_between_any_two_writes_loses_no_event_and_no_escalation(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Every pass may be cut at any write; a replay of the recording then ends as an undisturbed one does, with the
    same escalation ids, each at least once."""
    whole = {r.case for r in FINALS if not r.invalid_lines}
    case = data.draw(st.sampled_from(sorted({r.case for r in STEPS if r.case in whole})))
    final = next(r for r in FINALS if r.case == case)
    series = [r for r in STEPS if r.case == case and r.loop_id == final.loop_id and r.expected_state] + [final]
    repo = tmp_path_factory.mktemp("crash")
    ingested: list[int] = []
    for number, step in enumerate(series):
        install(step, repo)
        for attempt in range(4):
            writes_left = data.draw(st.integers(0, 9)) if attempt < 3 else None
            with pytest.MonkeyPatch.context() as patch:
                if writes_left is not None:
                    cut_after(patch, writes_left)
                shell, transport = reconciler(str(repo), final.loop_id, max_events=data.draw(st.sampled_from([0, 5])))
                try:
                    outcome = shell.run(transport, f"trace-{number}-{attempt}")
                except PowerCut:
                    continue
            ingested.append(outcome.events_ingested)
            break
    shell, transport = reconciler(str(repo), final.loop_id)
    shell.run(transport, "last")
    assert document(repo, final.loop_id, Document.CURSOR)["eventLineOffset"] == final.lines
    assert document(repo, final.loop_id, Document.STATE)["transition"]["currentState"] == final.expected_state
    found = rows(repo, final.loop_id, RowLog.ESCALATIONS)
    assert all(row["escalationId"] for row in found)
    health = document(repo, final.loop_id, Document.HEALTH)
    if health["status"] != "healthy":
        assert health["reasonCodes"] in [row.get("reasonCodes") for row in found]


def cut_after(patch: pytest.MonkeyPatch, writes: int) -> None:
    left = [writes]
    real_replace, real_append = files.replace_file, row_files.append_lines

    def spend() -> None:
        if left[0] == 0:
            raise PowerCut
        left[0] -= 1

    def replace(*args: Any, **options: Any) -> Any:
        spend()
        return real_replace(*args, **options)

    def append(*args: Any, **options: Any) -> None:
        spend()
        real_append(*args, **options)

    patch.setattr(files, "replace_file", replace)
    patch.setattr(row_files, "append_lines", append)


def test_a_pass_repeated_after_a_crash_repeats_its_escalation_ids(tmp_path: Path) -> None:
    recorded = next(r for r in FINALS if r.case == "cancelled_while_running")
    install(recorded, tmp_path)
    for writes in range(1, 6):  # each before the cursor moves
        with pytest.MonkeyPatch.context() as patch:
            cut_after(patch, writes)
            shell, transport = reconciler(str(tmp_path), recorded.loop_id)
            with pytest.raises(PowerCut):
                shell.run(transport, f"cut-{writes}")
    shell, transport = reconciler(str(tmp_path), recorded.loop_id)
    shell.run(transport, "whole")
    found = rows(tmp_path, recorded.loop_id, RowLog.ESCALATIONS)
    by_category: dict[str, set[str]] = {}
    for row in found:
        by_category.setdefault(row["category"], set()).add(row["escalationId"])
    assert len(found) > len(by_category)
    assert {category: len(ids) for category, ids in by_category.items()} == dict.fromkeys(by_category, 1)
    before = {row["escalationId"] for row in found}
    (tmp_path / ".superloop/loops" / recorded.loop_id / "events.jsonl").unlink()
    outcome = shell.run(transport, "another pass")
    assert [row["category"] for row in outcome.escalations] == ["health_critical"]
    assert before.isdisjoint(row["escalationId"] for row in outcome.escalations)


def test_one_writer_per_loop(tmp_path: Path) -> None:
    recorded = next(r for r in FINALS if r.case == "long_run")
    install(recorded, tmp_path)
    shell, transport = reconciler(str(tmp_path), recorded.loop_id)
    shell.run(transport, "t")
    with exclusive(ManagerLayout(str(tmp_path), recorded.loop_id).lock_file, wait_s=0):  # type: ignore[arg-type]
        quick = type(shell)(shell.store, shell.settings, lock_wait_s=0.05)
        with pytest.raises(LockTimeoutError, match="another process works on this loop"):
            quick.run(transport, "t2")
    shell.run(transport, "t3")


def test_simultaneous_passes_tell_an_escalation_once(tmp_path: Path) -> None:
    recorded = next(r for r in FINALS if r.case == "killed_mid_run")
    install(recorded, tmp_path)
    shells = [reconciler(str(tmp_path), recorded.loop_id) for _ in range(4)]
    threads = [
        threading.Thread(target=shell.run, args=(transport, f"t{n}")) for n, (shell, transport) in enumerate(shells)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    critical = [r for r in rows(tmp_path, recorded.loop_id, RowLog.ESCALATIONS) if r["category"] == "health_critical"]
    assert len(critical) == 1
    assert sum(r["eventsIngested"] for r in rows(tmp_path, recorded.loop_id, RowLog.RECONCILE)) == recorded.lines


@pytest.mark.parametrize(
    ("name", "failing", "message"),
    [("state.json", True, "invalid state JSON"), ("sequence-state.json", True, "invalid sequence state JSON"),
     ("heartbeat.json", False, "invalid heartbeat state JSON"), ("health.json", False, None),
     ("telemetry/transport-health.json", False, None)],
)  # fmt: skip
def test_a_damaged_manager_file_is_set_aside_and_blocks_no_later_pass(
    tmp_path: Path, name: str, failing: bool, message: str | None
) -> None:
    recorded = next(r for r in FINALS if r.case == "long_run")
    install(recorded, tmp_path)
    shell, transport = reconciler(str(tmp_path), recorded.loop_id)
    shell.run(transport, "t1")
    folder = Path(ManagerLayout(str(tmp_path), recorded.loop_id).folder)  # type: ignore[arg-type]
    (folder / name).write_text("{ half")
    journal = tmp_path / ".superloop/loops" / recorded.loop_id / "events.jsonl"
    if failing:
        journal.rename(journal.with_suffix(".away"))
    outcome = shell.run(transport, "t2")
    assert (folder / f"{name}.damaged").read_text() == "{ half"
    assert (outcome.error or "").startswith(message or "")
    assert (outcome.error is None) == (message is None)
    assert document(tmp_path, recorded.loop_id, Document.HEALTH)["traceId"] == "t2"
    if failing:
        journal.with_suffix(".away").rename(journal)
    assert shell.run(transport, "t3").error is None

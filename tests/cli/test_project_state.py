"""``opsd project-state``: what it reads, refuses and stores; the projection has its own tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.contract.ids import parse_loop_id
from opsd.loop import project_state
from opsd.storage.layout import ManagerLayout
from opsd.storage.locks import exclusive
from tests.cli.support import Repo, Shell


def _feed(opsd: Shell, repo: Repo) -> tuple[Path, Path]:
    """Snapshot and events files as the other two commands print them."""
    snapshot, events = repo.root / "snapshot.json", repo.root / "events.ndjson"
    snapshot.write_bytes(opsd("snapshot", *repo.flags).out)
    events.write_bytes(opsd("events", *repo.flags).out)
    return snapshot, events


def test_what_is_printed_is_what_is_stored(opsd: Shell, repo: Repo) -> None:
    repo.append("role_end")
    snapshot, events = _feed(opsd, repo)
    for pretty in ((), ("--pretty",)):
        result = opsd("project-state", *repo.flags, "--snapshot-file", snapshot, "--events-file", events, *pretty)
        assert (result.exit, result.err) == (0, "")
        assert (repo.ops / "state.json").read_bytes() == result.out
    assert result.json["evidence"]["snapshotFile"] == str(snapshot)
    assert result.json["evidence"]["eventsFile"] == str(events)
    assert result.json["transition"]["triggeringSignal"] == "event:role_end"


def test_without_files_the_loop_itself_is_read(opsd: Shell, repo: Repo) -> None:
    first = opsd("project-state", *repo.flags).json
    assert first["transition"]["previousState"] == "none"
    assert first["evidence"]["eventsFile"] is None
    assert isinstance(first["evidence"]["snapshotFile"], str)
    assert opsd("project-state", *repo.flags).json["transition"]["previousState"] == "unknown"


def test_a_state_file_elsewhere_gets_its_folders_and_nothing_else(opsd: Shell, repo: Repo) -> None:
    target = repo.root / "deep" / "er" / "state.json"
    assert opsd("project-state", *repo.flags, "--state-file", target).exit == 0
    assert target.exists()
    assert not repo.ops.exists()


def test_an_old_state_that_cannot_be_read_counts_as_none(opsd: Shell, repo: Repo) -> None:
    repo.ops.mkdir(parents=True)
    for text in ("", "{", "[]", "7"):
        (repo.ops / "state.json").write_text(text)
        assert opsd("project-state", *repo.flags).json["transition"]["previousState"] == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "invalid snapshot JSON: {path}"), ("", "snapshot envelope is invalid or loop id mismatch"),
     ("[]", "snapshot envelope is invalid or loop id mismatch")],
)  # fmt: skip
def test_a_bad_snapshot_writes_nothing(opsd: Shell, repo: Repo, text: str, message: str) -> None:
    path = repo.root / "s.json"
    path.write_text(text)
    result = opsd("project-state", *repo.flags, "--snapshot-file", path)
    assert (result.exit, result.out, result.err) == (1, b"", f"error: {message.format(path=path)}\n")
    assert not repo.ops.exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [("{\n", "invalid event envelope in {path}"), ("{}\n", "event envelope is invalid or loop id mismatch"),
     ("null\n", "event envelope is invalid or loop id mismatch"), (" \n", "invalid event envelope in {path}")],
)  # fmt: skip
def test_one_bad_envelope_anywhere_refuses_the_file(opsd: Shell, repo: Repo, extra: str, message: str) -> None:
    repo.append("a", "b")
    snapshot, events = _feed(opsd, repo)
    good = events.read_text().splitlines(keepends=True)
    events.write_text(good[0] + extra + good[1])
    result = opsd("project-state", *repo.flags, "--snapshot-file", snapshot, "--events-file", events)
    assert (result.exit, result.err) == (1, f"error: {message.format(path=events)}\n")
    assert not repo.ops.exists()


def test_missing_files_are_named(opsd: Shell, repo: Repo) -> None:
    assert (
        opsd("project-state", *repo.flags, "--snapshot-file", "no.json").err
        == "error: snapshot file not found: no.json\n"
    )
    assert (
        opsd("project-state", *repo.flags, "--events-file", "no.json").err == "error: events file not found: no.json\n"
    )


def test_ids_of_the_managers_own_folders_are_refused(opsd: Shell, repo: Repo) -> None:
    result = opsd("project-state", "--repo", repo.root, "--loop", "fleet")
    assert result.err == "error: invalid loop id: fleet\n"


def test_it_waits_for_a_pass_of_the_same_loop(opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_state, "LOCK_WAIT_S", 0.05)
    with exclusive(ManagerLayout(str(repo.root), parse_loop_id("demo")).lock_file, wait_s=1):
        result = opsd("project-state", *repo.flags)
    assert result.exit == 1
    assert "another process works on this loop" in result.err
    assert not (repo.ops / "state.json").exists()
    assert json.loads(opsd("project-state", *repo.flags).out)["schemaVersion"] == "v1"

"""``opsd snapshot`` as a command; what it reports is tested with the reader."""

from __future__ import annotations

from pathlib import Path

from tests.cli.support import Repo, Shell
from tests.recordings import FINALS


def test_it_prints_one_compact_document_and_nothing_else(opsd: Shell, repo: Repo) -> None:
    repo.append("role_end")
    result = opsd("snapshot", *repo.flags, "--trace-id", "t-1", "--run-id", "r-9")
    assert (result.exit, result.err) == (0, "")
    assert result.out.endswith(b"}\n")
    assert result.out.count(b"\n") == 1
    assert result.json["traceId"] == "t-1"
    assert result.json["run"]["runId"] == "r-9"
    assert result.json["source"] == {"repoPath": str(repo.root), "loopId": "demo"}


def test_pretty_is_the_same_value_indented(opsd: Shell, repo: Repo) -> None:
    pretty = opsd("snapshot", *repo.flags, "--pretty")
    assert pretty.out.startswith(b'{\n  "schemaVersion": "v1",\n')
    assert set(pretty.json) == set(opsd("snapshot", *repo.flags).json)


def test_an_empty_trace_id_is_none(opsd: Shell, repo: Repo) -> None:
    assert opsd("snapshot", *repo.flags, "--trace-id", "").json["traceId"] is None


def test_it_writes_no_file(opsd: Shell, repo: Repo) -> None:
    before = sorted(repo.root.rglob("*"))
    opsd("snapshot", *repo.flags)
    assert sorted(repo.root.rglob("*")) == before


def test_the_checks_come_in_the_contracts_order(opsd: Shell, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    expected = [
        ((), "--repo is required"),
        (("--repo", missing), "--loop is required"),
        (("--repo", missing, "--loop", "a/b"), "invalid loop id: a/b"),
        (("--repo", missing, "--loop", "a"), f"repo path not found: {missing}"),
        (("--repo", tmp_path, "--loop", "a"), f"required artifact root missing: {tmp_path}/.superloop/loops/a"),
    ]
    for argv, message in expected:
        result = opsd("snapshot", *argv)
        assert (result.exit, result.out, result.err) == (1, b"", f"error: {message}\n")


def test_every_recording_ends_in_its_state(opsd: Shell) -> None:
    for recorded in FINALS:
        if recorded.expected_state is not None:
            result = opsd("snapshot", "--repo", recorded.repo, "--loop", recorded.loop_id)
            assert result.json["run"]["status"] == recorded.expected_state, str(recorded)

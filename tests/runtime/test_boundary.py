"""What lies outside of a loop's repo is not read, by whatever link it is reached."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import ArtifactError
from opsd.contract.ids import parse_loop_id
from opsd.control.local import active_loop
from opsd.runtime import boundary
from opsd.runtime.boundary import RepoBoundary
from opsd.runtime.reader import LoopReader
from tests.daemon.support import LiveLoop

NOW = "2026-11-24T12:00:00Z"
_LOOP = ".superloop/loops/demo"
_ARTIFACTS = [
    *(f"{_LOOP}/{name}" for name in ("events.jsonl", "run-summary.json", "approval.json", "heartbeat.v1.json")),
    ".superloop/state.json",
    ".superloop/active-run.json",
]
_FOLDERS = [_LOOP, ".superloop/loops", ".superloop"]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repo with every artifact."""
    found = tmp_path / "repo"
    LiveLoop(found).append("loop_start", "iteration_start")
    for name in _ARTIFACTS:
        if not (found / name).exists():
            (found / name).write_text("{}\n")
    return found


def reader(repo: Path) -> LoopReader:
    return LoopReader(str(repo), parse_loop_id("demo"), sleep=lambda _seconds: None)


def snapshot(source: LoopReader) -> Any:
    """What it says but for when the files were written, which a copy does not keep."""
    found: Any = source.snapshot(now=NOW, trace_id=None)
    return {**found, "source": None, "artifacts": {k: {**v, "mtimeEpoch": 0} for k, v in found["artifacts"].items()}}


def linked(repo: Path, name: str, to: Path) -> Path:
    """A link stands in place of the artifact or folder, to a copy: other files, that say the same."""
    link = repo / name
    to.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if link.is_dir() else shutil.copy2)(link, to)
    link.rename(link.with_name("former"))
    link.symlink_to(to)
    return link


@pytest.fixture(params=["proc", "no proc"], autouse=True)
def _with_and_without_proc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no proc":

        def missing(_process: int) -> int:
            raise FileNotFoundError(2, "No such file or directory", "/proc/self/fd")

        monkeypatch.setattr(boundary, "_own_descriptors", missing)


@pytest.mark.parametrize("name", [*_ARTIFACTS, *_FOLDERS])
def test_a_link_out_of_the_repo_is_refused_and_the_artifact_named(repo: Path, tmp_path: Path, name: str) -> None:
    source, other = reader(repo), reader(repo)
    before = snapshot(source)
    link = linked(repo, name, tmp_path / "repo-beside" / "it")
    for one in (source, source, other):  # one that knew the file, one that did not
        with pytest.raises(ArtifactError, match="artifact is a link out of the repo: ") as refused:
            one.snapshot(now=NOW, trace_id=None)
        assert refused.value.message.partition(": ")[2].startswith(str(link))
        assert one.cached_snapshot_bytes(now=NOW, trace_id=None) is None
    if name in (*_FOLDERS, _ARTIFACTS[0]):
        with pytest.raises(ArtifactError, match="artifact is a link out of the repo: "):
            source.poll(offset=0, max_events=0, now=NOW, trace_id=None)
    link.unlink()
    link.with_name("former").rename(link)
    assert snapshot(source) == before


@pytest.mark.parametrize("name", [*_ARTIFACTS, *_FOLDERS])
def test_a_link_inside_of_the_repo_is_followed(repo: Path, name: str) -> None:
    source = reader(repo)
    before = snapshot(source)
    linked(repo, name, repo / "kept" / "elsewhere")
    assert snapshot(source) == snapshot(reader(repo)) == before
    assert len(source.poll(offset=0, max_events=0, now=NOW, trace_id=None).events) == 2


def test_the_repo_may_be_reached_through_links_and_by_another_way_later(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(tmp_path)
    current = tmp_path / "current"
    current.symlink_to("folder/repo")
    source = reader(current)
    before = snapshot(source)
    shutil.copytree(repo, tmp_path / "moved")
    current.unlink()
    current.symlink_to("moved")
    assert snapshot(source) == before


def test_a_journal_that_becomes_a_link_between_two_reads_gives_nothing(repo: Path, tmp_path: Path) -> None:
    source = reader(repo)
    assert source.line_count() == 2
    linked(repo, _ARTIFACTS[0], tmp_path / "secret")
    with pytest.raises(ArtifactError, match="artifact is a link out of the repo: "):
        list(source.journal.blocks(0))
    with pytest.raises(ArtifactError, match="artifact is a link out of the repo: "):
        source.journal.last_line()


def test_a_link_to_nothing_is_an_artifact_that_is_not_there(repo: Path, tmp_path: Path) -> None:
    (repo / _LOOP / "approval.json").unlink()
    (repo / _LOOP / "approval.json").symlink_to(tmp_path / "nothing")
    assert snapshot(reader(repo))["artifacts"]["approval"]["exists"] is False


def test_what_was_opened_counts_and_it_is_closed_when_it_is_refused(repo: Path, tmp_path: Path) -> None:
    inside = RepoBoundary(str(repo))
    os.close(inside.open(str(repo / ".superloop" / "state.json")))
    before = len(os.listdir("/proc/self/fd"))
    outside = tmp_path / "file"
    outside.write_text("x")
    for path in (outside, repo / ".." / "file"):
        with pytest.raises(ArtifactError):
            inside.open(str(path))
    os.close(inside.open(str(repo / ".superloop" / ".." / ".superloop" / "state.json")))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_root_folder_is_a_repo_like_any_other(repo: Path) -> None:
    os.close(RepoBoundary("/").open(str(repo / ".superloop" / "state.json")))


def test_which_loop_is_active_is_not_asked_of_another_file(repo: Path, tmp_path: Path) -> None:
    assert active_loop(str(repo)) == "demo"
    linked(repo, ".superloop/state.json", tmp_path / "state.json")
    assert active_loop(str(repo)) is None

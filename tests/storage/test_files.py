"""Writing files: a reader or a crash never meets half of one."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from pathlib import Path

import pytest

from opsd.contract.errors import LockTimeoutError, ManagerFileError
from opsd.storage import files, locks, row_files
from opsd.storage.tail import last_complete_line


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "state.json"
    first = files.replace_file(str(path), b"one")
    before = path.open("rb")
    second = files.replace_file(str(path), b"second", durable=True)
    with before:
        assert before.read() == b"one", "who had the old file open reads it to its end"
    assert path.read_bytes() == b"second"
    assert files.signature(str(path)) == second != first
    assert os.listdir(path.parent) == ["state.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_file_that_cannot_be_written_keeps_the_old_one_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ManagerFileError, match="folder: Is a directory"):
        files.replace_file(str(tmp_path / "folder"), b"x")
    (tmp_path / "plain").write_text("x")
    with pytest.raises(ManagerFileError, match=r"plain/state\.json"):
        files.replace_file(str(tmp_path / "plain" / "state.json"), b"x")
    assert sorted(os.listdir(tmp_path)) == ["folder", "plain"]


def test_a_link_planted_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".state.json.{os.getpid()}.tmp").symlink_to(victim)
    with pytest.raises(ManagerFileError):
        files.replace_file(str(tmp_path / "state.json"), b"x")
    assert victim.read_text() == "precious"
    files.replace_file(str(tmp_path / "state.json"), b"x")
    assert (tmp_path / "state.json").read_bytes() == b"x"


def test_what_is_no_file_reads_as_absent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo", "."):
        assert files.read_bytes(str(tmp_path / name)) is None
        assert files.signature(str(tmp_path / name)) is None
    assert last_complete_line(str(tmp_path)) == b""


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    an_hour_ago = time.time() - 3600
    for name in (".state.json.1.tmp", "state.json", ".hidden"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (an_hour_ago, an_hour_ago))
    (tmp_path / ".cursor.json.2.tmp").touch()  # somebody may be about to rename it
    files.sweep(str(tmp_path))
    files.sweep(str(tmp_path / "missing"))
    assert sorted(os.listdir(tmp_path)) == [".cursor.json.2.tmp", ".hidden", "state.json"]


def test_a_damaged_file_is_kept_for_inspection(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{")
    assert files.set_aside(str(path)) == f"{path}.damaged"
    assert files.set_aside(str(path)) is None
    assert (tmp_path / "state.json.damaged").read_text() == "{"


def test_a_lock_excludes_everybody_and_is_released(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "lock")
    with locks.exclusive(path, wait_s=0), pytest.raises(LockTimeoutError, match="gave up after 0 s"):
        locks.acquire(path, wait_s=0)
    os.close(locks.acquire(path, wait_s=0))


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    ready, signal_ready = os.pipe()
    child = os.fork()
    if child == 0:
        locks.acquire(path, wait_s=0)
        os.write(signal_ready, b"x")
        os.kill(os.getpid(), 9)
    os.close(signal_ready)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    os.waitpid(child, 0)
    os.close(locks.acquire(path, wait_s=0))


def test_permission_bits_may_be_restricted(tmp_path: Path) -> None:
    row_files.append_lines(str(tmp_path / "log"), b"1\n", mode=0o600)
    files.replace_file(str(tmp_path / "document"), b"1", mode=0o600)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert files.origin(str(tmp_path / "none")) == (None, None)
    owner, changed = files.origin(str(tmp_path / "log"))
    assert owner
    assert changed is not None
    assert changed.endswith("Z")


def test_a_device_or_pipe_is_never_replaced_nor_removed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ManagerFileError, match="pipe: not a regular file"):
        files.replace_file(str(pipe), b"x", durable=True)
    files.remove_file(str(pipe))
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_file_or_a_link_is_removed_and_a_missing_one_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "link").symlink_to("target")
    for name in ("link", "link", "no/such/file"):
        files.remove_file(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["target"]
    files.remove_file(str(tmp_path / "target"))
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks_is_told_and_costs_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ManagerFileError, match=r"cannot lock .*/lock: No locks available"):
        locks.acquire(str(tmp_path / "lock"), wait_s=0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_cannot_be_synced_is_told_like_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sync_folder", refuse)
    with pytest.raises(ManagerFileError, match=r"cannot write .*/document: Input/output error"):
        files.replace_file(str(tmp_path / "document"), b"1", durable=True)

"""A witness notices whatever happens to the files that it remembers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opsd.runtime.witness import Signature, Witness


def signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "loop"
    folder.mkdir()
    (folder / "there").write_text("1")
    return folder


def witness(folder: Path) -> Witness:
    return Witness([(str(folder / name), signature(folder / name)) for name in ("there", "absent")])


def test_files_that_nobody_touched_are_unchanged(folder: Path) -> None:
    assert witness(folder).unchanged()


def replace(folder: Path) -> None:
    (folder / "new").write_text("1")
    os.utime(folder / "new", ns=(0, (folder / "there").stat().st_mtime_ns))
    (folder / "new").rename(folder / "there")


def append(folder: Path) -> None:
    before = (folder / "there").stat().st_mtime_ns
    with (folder / "there").open("a") as file:
        file.write("2")
    os.utime(folder / "there", ns=(0, before))


def file_in_place_of_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.mark.parametrize(
    "change",
    [
        append,
        replace,
        file_in_place_of_the_folder,
        shutil.rmtree,
        lambda folder: os.utime(folder / "there", ns=(0, 0)),
        lambda folder: (folder / "there").unlink(),
        lambda folder: (folder / "absent").write_text(""),
        lambda folder: (folder / "absent").mkdir(),
    ],
)
def test_every_change_is_seen(folder: Path, change: Callable[[Path], object]) -> None:
    known = witness(folder)
    change(folder)
    assert not known.unchanged()

"""The stories in ``docs/`` happen as they are printed: their shell blocks run one after the other in one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STORIES = sorted((ROOT / "docs").glob("story-*.md"))


def script_of(story: Path) -> str:
    """The shell blocks, in order."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", story.read_text(), re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_story_happens_as_it_is_printed(story: Path, tmp_path: Path) -> None:
    bin_folder, folder = tmp_path / "bin", tmp_path / "an empty folder"
    for one in (bin_folder, folder):
        one.mkdir()
    (bin_folder / "opsd").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m opsd "$@"\n')
    (bin_folder / "opsd").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_MANAGER_", "OPSD_"))}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    env = {**kept, "PATH": f"{bin_folder}{os.pathsep}{kept['PATH']}", "PYTHONPATH": path}
    done = subprocess.run(
        ["bash", "-c", script_of(story)], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_there_are_stories() -> None:
    assert STORIES

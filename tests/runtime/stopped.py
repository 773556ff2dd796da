"""Programs that are stopped by a time limit, and what becomes of the processes that they have started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Enough for every process to end, in seconds.
_PATIENCE_S = 60.0


def stopped_after_it_began(mark: Path, run: Callable[[float], T]) -> T:
    """What ``run`` answers with the first time limit that lets the program leave its mark: a machine may be slow."""
    timeout_s = 0.3
    while True:
        answer = run(timeout_s)
        if mark.exists() and mark.read_text():
            return answer
        assert timeout_s < _PATIENCE_S, answer
        timeout_s *= 4


def await_end(pid: int) -> None:
    """Wait until a process lives no longer."""
    deadline = time.monotonic() + _PATIENCE_S
    while lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether there is such a process, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_in(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = line.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in text:
            found.append(text)
    return found

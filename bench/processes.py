"""Child processes under measurement: started, measured by the kernel's own accounting, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TOKEN = "bench-token"


def cpu_of(process: int) -> float:
    """CPU seconds that all threads of a process have used, by the scheduler's clock."""
    spent_ns = 0
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            spent_ns += int((thread / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


@contextlib.contextmanager
def running(
    *arguments: str, env: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process ``python -m ...`` with its stdout as a pipe; ended by SIGTERM."""
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def printed_url(process: subprocess.Popen[bytes]) -> str:
    """The address that a server prints as the last word of its first line."""
    assert process.stdout is not None
    return process.stdout.readline().decode().split()[-1]


@contextlib.contextmanager
def sprite_service(repo: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The real service over ``repo``, and its address."""
    env = {"OPS_MANAGER_SERVICE_TOKEN": TOKEN}
    arguments = ("sprite_service", "--repo", str(repo), "--port", "0", "--no-access-log", "--max-streams", "2000")
    with running(*arguments, env=env) as process:
        yield process, printed_url(process)


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition given as a function."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark's condition did not come true")
        time.sleep(0.005)

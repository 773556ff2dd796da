"""A command in a process of its own: with pipes, as a program calls it, or on a terminal, where a person sees pages."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Mapping


async def opsd(*argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """What ``opsd`` answers to a program."""
    command = [sys.executable, "-m", "opsd", *argv]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment(env), timeout=180, check=False
    )


async def on_a_terminal(*argv: str, env: Mapping[str, str] | None = None, timeout_s: float = 180) -> tuple[int, str]:
    """Exit code of ``opsd``, and what a terminal of 200 columns shows of it, without colours."""
    own = environment({"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", **(env or {})})
    return await asyncio.to_thread(_run, [sys.executable, "-m", "opsd", *argv], own, timeout_s)


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Without what the environment of the tests says to ``opsd``."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPSD_")} | dict(more or {})


def _run(command: list[str], env: dict[str, str], timeout_s: float) -> tuple[int, str]:
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=env) as process:
            os.close(theirs)
            seen = b""
            while data := _read(ours):
                seen += data
            return process.wait(timeout_s), seen.decode().replace("\r\n", "\n")
    finally:
        os.close(ours)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # Linux: nobody has the other side open any more
            return b""
        raise

"""Running other programs: bounded in time and output, and with everything they started when they are stopped."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

#: Defaults: a program may run so many seconds and print so many bytes.
TIMEOUT_S = 600.0
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024


class Answer(NamedTuple):
    """How a program ended and what it printed."""

    exit: int
    stdout: bytes
    stderr: bytes


class _Stopped(Exception):
    """The program went beyond a bound."""


def run_program(
    argv: Sequence[str],
    *,
    timeout_s: float = TIMEOUT_S,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    merge: bool = False,
) -> Answer:
    """Run a program to its end: 127 when it is missing, 126 when it cannot be executed, 128 + the signal it died of.

    A script without an interpreter line is run by the system's shell. A program that runs longer than ``timeout_s``
    seconds or prints more than ``max_output_bytes`` is killed with its whole process group and answers 124. With
    ``merge`` both streams are one, in the order of writing, and ``stderr`` tells only why there is no answer.
    """
    try:
        process = _start(argv, merge)
    except ValueError:  # a zero byte, half of a surrogate pair
        return Answer(126, b"", f"cannot run {argv[0]!r}: an argument that no program can be given".encode())
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return Answer(127 if missing else 126, b"", f"cannot run {argv[0]}: {error.strerror}".encode())
    with process:
        try:
            stdout, stderr = _collect(process, time.monotonic() + timeout_s, max_output_bytes)
        except (_Stopped, subprocess.TimeoutExpired) as error:
            _kill_group(process)
            reason = str(error) if isinstance(error, _Stopped) else f"was stopped after {timeout_s:g} s"
            return Answer(124, b"", f"{argv[0]} {reason}".encode())
        except BaseException:  # Ctrl-C does not reach another session
            _kill_group(process)
            raise
    code = process.returncode
    return Answer(code if code >= 0 else 128 - code, stdout, stderr)


def _start(argv: Sequence[str], merge: bool) -> subprocess.Popen[bytes]:
    def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            start_new_session=True,
        )

    try:
        return start(argv)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start(["/bin/sh", *argv])


def _collect(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[bytes, bytes]:
    """Everything that both streams say until they end, and the program with them."""
    said: dict[object, list[bytes]] = {process.stdout: [], process.stderr: []}
    size = 0
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline - time.monotonic()
            ready = selector.select(left_s) if left_s > 0 else []
            if not ready:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _events in ready:
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                size += len(data)
                if size > limit:
                    raise _Stopped(f"was stopped after {limit} bytes of output")
                said[key.fileobj].append(data)
    process.wait(max(0.0, deadline - time.monotonic()))
    return b"".join(said[process.stdout]), b"".join(said[process.stderr]) if process.stderr is not None else b""


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

"""Running other programs: bounded in time and output, and with everything they started when they are stopped."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

#: Defaults: a program may run so many seconds and print so many bytes.
TIMEOUT_S = 600.0
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024
#: How often a program that has closed its streams and does not end is looked at, in seconds.
_LOOK_S = 0.2
_CALLER_ENDS = "was stopped because its caller ends"


class Answer(NamedTuple):
    """How a program ended and what it printed; ``output`` is both streams in the order of their arrival."""

    exit: int
    stdout: bytes
    stderr: bytes
    output: bytes = b""


class _Stopped(Exception):
    """The program went beyond a bound."""


class Ending:
    """Lets one thread end the programs that others wait for, now and later: they are killed and answer 124."""

    def __init__(self) -> None:
        self.begun = False
        self._lock = threading.Lock()
        #: Readable once the end has begun: nothing is ever written, but the other side is closed then.
        self.descriptor, self._other_side = os.pipe()
        self._open = {self.descriptor, self._other_side}
        weakref.finalize(self, _close_all, self._open)

    def begin(self) -> None:
        """End them."""
        with self._lock:
            self.begun = True
            if self._other_side in self._open:
                self._open.remove(self._other_side)
                os.close(self._other_side)

    @contextmanager
    def ends(self) -> Iterator[None]:
        """What this thread runs inside the block is ended by :meth:`begin`, wherever in the code it is started."""
        token = _ended_by.set(self)
        try:
            yield
        finally:
            _ended_by.reset(token)


def _close_all(descriptors: set[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


_ended_by: ContextVar[Ending | None] = ContextVar("ended_by", default=None)


def run_program(
    argv: Sequence[str],
    *,
    timeout_s: float = TIMEOUT_S,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    merge: bool = False,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Run a program to its end: 127 when it is missing, 126 when it cannot be executed, 128 + the signal it died of.

    A script without an interpreter line is run by the system's shell. A program that runs longer than ``timeout_s``
    seconds or prints more than ``max_output_bytes`` is killed with its whole process group and answers 124. With
    ``merge`` both streams are one, in the order of writing, and ``stderr`` tells only why there is no answer.
    ``env`` is the program's whole environment, by default this process's.
    """
    try:
        process = _start(argv, merge, env)
    except ValueError:  # a zero byte, half of a surrogate pair
        return _no_answer(126, f"cannot run {argv[0]!r}: an argument that no program can be given")
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return _no_answer(127 if missing else 126, f"cannot run {argv[0]}: {error.strerror}")
    with process:
        try:
            stdout, stderr, output = _collect(process, time.monotonic() + timeout_s, max_output_bytes)
        except (_Stopped, subprocess.TimeoutExpired) as error:
            _kill_group(process)
            reason = str(error) if isinstance(error, _Stopped) else f"was stopped after {timeout_s:g} s"
            return _no_answer(124, f"{argv[0]} {reason}")
        except BaseException:  # Ctrl-C does not reach another session
            _kill_group(process)
            raise
    code = process.returncode
    return Answer(code if code >= 0 else 128 - code, stdout, stderr, output)


def _no_answer(code: int, reason: str) -> Answer:
    return Answer(code, b"", reason.encode(), reason.encode())


def _start(argv: Sequence[str], merge: bool, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            start_new_session=True,
            env=env,
        )

    try:
        return start(argv)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start(["/bin/sh", *argv])


def _collect(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[bytes, bytes, bytes]:
    """Everything that both streams say until they end, and the program with them; each, then both together."""
    said: list[tuple[object, bytes]] = []
    size = 0
    ending = _ended_by.get()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
        streams = len(selector.get_map())
        if ending is not None:
            selector.register(ending.descriptor, selectors.EVENT_READ)
        while streams:
            left_s = deadline - time.monotonic()
            ready = selector.select(left_s) if left_s > 0 else []
            if not ready:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _events in ready:
                if ending is not None and key.fd == ending.descriptor:
                    raise _Stopped(_CALLER_ENDS)
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                    streams -= 1
                size += len(data)
                if size > limit:
                    raise _Stopped(f"was stopped after {limit} bytes of output")
                said.append((key.fileobj, data))
    _await_end(process, deadline, ending)
    stdout, stderr = (b"".join(data for by, data in said if by is of) for of in (process.stdout, process.stderr))
    return stdout, stderr, b"".join(data for _by, data in said) if stdout and stderr else stdout or stderr


def _await_end(process: subprocess.Popen[bytes], deadline: float, ending: Ending | None) -> None:
    while True:
        try:
            process.wait(min(_LOOK_S, max(0.0, deadline - time.monotonic())))
            return
        except subprocess.TimeoutExpired:
            if ending is not None and ending.begun:
                raise _Stopped(_CALLER_ENDS) from None
            if time.monotonic() >= deadline:
                raise


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

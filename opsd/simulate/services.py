"""Sprite services as processes over simulated runs, for whoever shows or tries the manager: the demo and the drills."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from opsd.contract.errors import OpsError


def write_runtime(path: Path, before: str = "") -> None:
    """Put a runtime in place that obeys as the real one does; ``before`` is shell text that each call runs first."""
    path.write_text(f'#!/bin/sh\n{before}exec {shlex.quote(sys.executable)} -P -m opsd simulate "$@"\n')
    path.chmod(0o755)


def start_service(
    repo: Path, runtime: Path, env: Mapping[str, str], token: str, log: Path, *, port: int = 0
) -> subprocess.Popen[bytes]:
    """Start a sprite service over ``repo``; :func:`listening_address` tells when it listens, and where."""
    command = [sys.executable, "-P", "-m", "sprite_service", "--repo", str(repo), "--port", str(port)]
    own = {**env, "OPS_MANAGER_SERVICE_TOKEN": token, "SUPERLOOP_BIN": str(runtime)}
    with log.open("ab") as file:
        return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=file, stdin=subprocess.DEVNULL)


def listening_address(process: subprocess.Popen[bytes]) -> str:
    """The address that a sprite service prints when it listens.

    Raises:
        OpsError: it ended before.
    """
    for line in _lines(process):
        if b"listening on " in line:
            return line.rsplit(b" ", 1)[1].decode().strip()
    raise OpsError("a sprite service ended at its start")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    if process.stdout is not None:
        yield from process.stdout


def end_processes(*processes: subprocess.Popen[bytes], within_s: float = 10.0) -> None:
    """Ask all of them to end, and kill those that do not."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    for process in processes:
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def held_port(port: int) -> socket.socket:
    """A port of the loopback interface that the kernel gives to nobody until the socket is closed.

    Connections to it are refused meanwhile. A server that asks for it can listen there all the same.

    Raises:
        OSError: somebody has it.
    """
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        raise
    return held


def free_port(preferred: int = 0) -> int:
    """A port of the loopback interface that nobody listens on just now; ``preferred`` if it is one.

    Raises:
        OpsError: there is none.
    """
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OpsError("no free port on the loopback interface")

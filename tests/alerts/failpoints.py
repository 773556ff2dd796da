"""Real processes that kill themselves at a chosen step of the dispatcher, started quickly: a server forks them.

A point is a function of the product and its edge, ``before`` or ``after``; the process dies with SIGKILL, as by
``kill -9``, when the edge is reached for the ``n``-th time. The product knows nothing of this.

``python -m tests.alerts.failpoints`` has everything imported and forks a process for each line that it reads:
``{"argv", "env", "point", "number", "out"}``; it answers with ``{"pid"}`` at once and with ``{"exit"}`` behind it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import opsd.alerts.run.drive
import opsd.compose_alerts  # noqa: F401 - what a process needs is there before it is forked
from opsd.alerts.targets.sender import Sender
from opsd.cli.main import main
from opsd.storage import files
from opsd.storage.alert_store import AlertStore

#: Name -> what it is: the object that has the function, and the function's name.
POINTS: dict[str, tuple[Any, str]] = {
    "journal": (AlertStore, "append_outbox"),
    "request": (Sender, "send"),
    "attempt row": (AlertStore, "append_attempts"),
    "dead letter": (AlertStore, "append_dead_letters"),
    "telemetry": (AlertStore, "append_telemetry"),
    "ledger": (AlertStore, "replace_incidents"),
    "state": (AlertStore, "replace_state"),
    "compaction": (AlertStore, "replace_outbox"),
    "rename": (files.os, "rename"),
}


def arm(point: str, number: int) -> None:
    """Die at the ``number``-th time that ``point`` is reached."""
    edge, _, name = point.partition(" ")
    owner, function = POINTS[name]
    left = number
    original: Callable[..., Any] = getattr(owner, function)

    def reached(at: str) -> None:
        nonlocal left
        if at == edge:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    async def watched_later(*arguments: Any, **named: Any) -> Any:
        reached("before")
        result = await original(*arguments, **named)
        reached("after")
        return result

    @functools.wraps(original)
    def watched(*arguments: Any, **named: Any) -> Any:
        reached("before")
        result = original(*arguments, **named)
        reached("after")
        return result

    setattr(owner, function, watched_later if inspect.iscoroutinefunction(original) else watched)


class Forks:
    """The server of forks, from the test's side; one process at a time."""

    def __init__(self, server: subprocess.Popen[bytes], out: Path) -> None:
        self._server, self._out = server, out

    async def start(self, *argv: str, env: Mapping[str, str], point: str = "", number: int = 0) -> int:
        """A process that runs ``opsd <argv>``, and dies at a point if one is named; its pid."""
        job = {"argv": argv, "env": dict(env), "point": point, "number": number, "out": str(self._out)}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(job).encode() + b"\n")
        self._server.stdin.flush()
        pid: int = (await self._answer())["pid"]
        return pid

    async def ended(self) -> bool:
        """Wait for the end of the process; False when a signal killed it. Any other end has to be a good one."""
        code = (await self._answer())["exit"]
        assert code in (0, -signal.SIGKILL), self._out.read_text()
        return bool(code == 0)

    async def _answer(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(await asyncio.to_thread(self._server.stdout.readline))


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """A server of forks."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", __name__], stdin=pipe, stdout=pipe) as server:
        yield Forks(server, folder / "output.txt")
        assert server.stdin is not None
        server.stdin.close()


def _serve() -> None:
    for text in sys.stdin:
        job = json.loads(text)
        pid = os.fork()
        if pid == 0:
            os._exit(_run(job))
        print(json.dumps({"pid": pid}), flush=True)
        _pid, status = os.waitpid(pid, 0)
        print(json.dumps({"exit": os.waitstatus_to_exitcode(status)}), flush=True)


def _run(job: Any) -> int:
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(job["env"])
    if job["point"]:
        arm(job["point"], job["number"])
    try:
        code = main(job["argv"])
        sys.stdout.flush()
        return code
    except BaseException as error:  # noqa: BLE001 - the test shows it
        os.write(2, repr(error).encode())
        return 1


if __name__ == "__main__":
    _serve()

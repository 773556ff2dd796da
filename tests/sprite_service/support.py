"""The sprite service as a real process, and a managed repo with one loop behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

#: For answers that have to come to their end when the service is stopped: on a slow machine they need more than usual.
IN_PEACE = ("--stop-timeout", "60")
#: Nothing takes as long, also where a machine has other things to do; in seconds.
PATIENCE_S = 60.0
TOKEN = "s3cret-token-of-the-tests"
LOOP = "demo-loop"


def event(number: int, **fields: Any) -> bytes:
    """One journal line."""
    line = {
        "timestamp": f"2026-02-01T10:00:{number % 60:02d}Z",
        "event": "iteration_start",
        "loop_id": LOOP,
        "iteration": number,
        "data": {"number": number},
        **fields,
    }
    return json.dumps(line).encode() + b"\n"


def make_repo(root: Path, events: int = 3) -> Path:
    """A repo whose one loop has ``events`` journal lines; returns the journal."""
    folder = root / ".superloop" / "loops" / LOOP
    folder.mkdir(parents=True)
    state = {
        "active": True,
        "current_loop_id": LOOP,
        "iteration": 1,
        "loop_index": 0,
        "updated_at": "2026-02-01T10:00:00Z",
    }
    (root / ".superloop" / "state.json").write_text(json.dumps(state))
    journal = folder / "events.jsonl"
    journal.write_bytes(b"".join(map(event, range(1, events + 1))))
    return journal


class Service:
    """A running ``sprite-service`` on a free port."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.log = log
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def stop(self) -> tuple[int, str]:
        """SIGTERM; exit code and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        return self.process.returncode, self.log.read_text()


def command(repo: Path, *flags: str) -> list[str]:
    """The command line of a service."""
    return [sys.executable, "-m", "sprite_service", "--repo", str(repo), "--port", "0", *flags]


def environment(token: str | None = TOKEN) -> dict[str, str]:
    """The caller's environment without settings of its own, and with a token."""
    hooks = ("OPS_MANAGER_CONFIRM_SCRIPT",)  # what a test sets on purpose
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_MANAGER_", "OPSD_"))}
    env = own | {name: os.environ[name] for name in hooks if name in os.environ}
    return env if token is None else env | {"OPS_MANAGER_SERVICE_TOKEN": token}


@asynccontextmanager
async def service(repo: Path, *flags: str, token: str | None = TOKEN) -> AsyncIterator[Service]:
    """A service that answers; killed at the end if it is still there."""
    log = repo.parent / f"{repo.name}-{time.monotonic_ns()}.log"
    with log.open("w") as err:  # a pipe that nobody reads would hold the service up
        process = subprocess.Popen(
            command(repo, *flags), stdout=subprocess.PIPE, stderr=err, text=True, env=environment(token)
        )
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert line.startswith("ops-manager sprite service listening on http"), log.read_text()
        yield Service(process, line.split()[-1], log)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_S)


@asynccontextmanager
async def client(running: Service, token: str | None = TOKEN) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of ``running`` that sends ``token``."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=2 * PATIENCE_S)  # a long poll may last as long
    async with aiohttp.ClientSession(running.url, headers=headers, timeout=timeout) as session:
        yield session


@asynccontextmanager
async def raw_connection(running: Service) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection, closed at the end whatever the service did to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def get(session: aiohttp.ClientSession, path: str, **options: Any) -> tuple[int, Any]:
    """Status and JSON of one GET."""
    async with session.get(path, **options) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def until(condition: Any, within_s: float = PATIENCE_S) -> None:
    """Wait until ``await condition()`` is true."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def metric(session: aiohttp.ClientSession, name: str) -> float:
    """The value of one series of the service's own metrics."""
    async with session.get("/metrics") as response:
        for line in (await response.text()).splitlines():
            if line.rpartition(" ")[0] == f"sprite_service_{name}":
                return float(line.rpartition(" ")[2])
    return 0.0


class Frames:
    """Reads a stream frame by frame."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._content = response.content

    async def next(self) -> dict[str, str]:
        """The next frame or comment (``{"": text}``); ``{}`` at the end of the stream."""
        found: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._content.readline()).decode():
                if line == "\n":
                    return found
                name, _, value = line.rstrip("\n").partition(":")
                found[name] = value.strip()
        return found

    async def event(self) -> dict[str, str]:
        """The next frame with data."""
        while True:
            frame = await self.next()
            if "data" in frame or not frame:
                return frame


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    """What still comes; nothing where the service cut the connection off."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""

"""The daemon as a real process, with what it supervises: local loops, or sprite services inside the test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from sprite_service.config import Config
from sprite_service.server import RunningServer, start

TOKEN = "hush-hush-sprite-token"
TOKEN_VARIABLE = "TEST_SPRITE_TOKEN"

#: How long a test waits for what has to happen sooner or later: a busy machine is no reason to fail. In seconds.
PATIENCE_S = 120.0
#: Quick enough for a test, slow enough that nothing but a notification explains what happens within a second.
SETTINGS = ["--reconcile-resync-seconds", "30", "--registry-reload-seconds", "0.05"]


class Daemon:
    """One ``opsd run`` that has started."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, url: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self.log_file = log
        self.session = session

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in whole_lines(self.log_file)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        return [line for line in self.log if line["event"] == event]

    async def json(self, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON of one GET."""
        async with self.session.get(path, **options) as response:
            return response.status, await response.json()

    async def view(self, loop: str) -> dict[str, Any]:
        """What the daemon knows of a loop; empty when it does not supervise it."""
        status, body = await self.json(f"/v1/loops/{loop}")
        found: dict[str, Any] = body["loop"] if status == 200 else {}
        return found

    async def metrics(self) -> dict[str, float]:
        """Every series."""
        async with self.session.get("/metrics") as response:
            lines = [line for line in (await response.text()).splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> None:
        """Wait for a condition; tells the log when it does not come true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await condition():
                    assert self.process.poll() is None
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(self.log_file.read_text()[-4000:]) from None

    async def until_metrics(self, wanted: Mapping[str, float]) -> dict[str, float]:
        """Wait until one scrape shows all these series with these values; the whole scrape."""
        found: dict[str, float] = {}

        async def shown() -> bool:
            nonlocal found
            found = await self.metrics()
            return all(found.get(name) == value for name, value in wanted.items())

        try:
            await self.until(shown)
        except AssertionError:
            assert {name: found.get(name) for name in wanted} == wanted
            raise
        return found

    async def until_state(self, loop: str, state: str | None, offset: int) -> dict[str, Any]:
        """Wait until a loop is in a state, with so many lines taken in."""

        view: dict[str, Any] = {}

        async def arrived() -> bool:
            nonlocal view
            view = await self.view(loop)
            return bool(view) and view["state"] == state and view["cursor"]["eventLineOffset"] == offset

        await self.until(arrived)
        return view

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    async def ended(self) -> int:
        """:meth:`stop` while servers in this process go on: the daemon waits for their answers before it ends."""
        return await asyncio.to_thread(self.stop)


@asynccontextmanager
async def daemon(repo: Path, *flags: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Daemon]:
    """A running daemon; killed at the end if it is still there."""
    log = repo.parent / f"{repo.name}-{time.monotonic_ns()}.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_MANAGER_", "OPSD_"))}
    command = [sys.executable, "-m", "opsd", "run", "--repo", str(repo), "--http-port", "0", "--log-format", "json"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *SETTINGS, *flags],
            stdout=output,
            stderr=output,
            env={**own, TOKEN_VARIABLE: TOKEN, **(env or {})},
        )
    try:
        url = await _url(process, log)
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            yield Daemon(process, log, url, session)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that somebody is writing: a last one without its newline is not there yet."""
    return path.read_bytes().rpartition(b"\n")[0].splitlines()


async def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for line in whole_lines(log):
                if b'"daemon.started"' in line:
                    url: str = json.loads(line)["http"]
                    return url.removesuffix("/metrics")
            assert process.poll() is None, log.read_text()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def sprite(repo: Path, *, port: int = 0) -> AsyncIterator[RunningServer]:
    """A sprite service over ``repo`` inside this process."""
    running = await start(Config(str(repo), port=port, token=TOKEN, access_log=False))
    try:
        yield running
    finally:
        await running.stop()


def write_registry(repo: Path, *entries: dict[str, Any], **top: Any) -> None:
    """Put a fleet registry in place as an editor does it."""
    path = repo / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"schemaVersion": "v1", "fleetId": "tests", "loops": list(entries), **top}))
    new.replace(path)


def remote(loop_id: str, url: str, **more: Any) -> dict[str, Any]:
    """The registry entry of a loop behind a sprite service."""
    service = {"baseUrl": url, "tokenEnv": TOKEN_VARIABLE, "retryAttempts": 1}
    return {"loopId": loop_id, "transport": "sprite_service", "service": service, **more}


def journal_line(
    number: int, name: str = "iteration_start", *, loop_id: str = "demo", timestamp: str | None = None
) -> bytes:
    """One line of a journal, stamped now."""
    stamp = timestamp or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    data = {"timestamp": stamp, "event": name, "loop_id": loop_id, "iteration": number, "data": {"number": number}}
    return json.dumps(data).encode() + b"\n"


class LiveLoop:
    """A loop that a test lets run."""

    def __init__(self, repo: Path, loop_id: str = "demo") -> None:
        self.repo, self.loop_id = repo, loop_id
        folder = repo / ".superloop" / "loops" / loop_id
        folder.mkdir(parents=True)
        self.journal = folder / "events.jsonl"
        self.summary = folder / "run-summary.json"
        self.journal.touch()
        self.active(True)

    def active(self, value: bool) -> None:
        """What ``state.json`` says."""
        state = {"active": value, "current_loop_id": self.loop_id, "iteration": 1, "updated_at": "2026-02-01T10:00:00Z"}
        path = self.repo / ".superloop" / "state.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(path)

    def append(self, *names: str) -> None:
        """Write events."""
        lines = self.journal.read_bytes().count(b"\n")
        with self.journal.open("ab") as file:
            for number, name in enumerate(names, lines + 1):
                file.write(journal_line(number, name, loop_id=self.loop_id))

    def complete(self) -> None:
        """The run comes to its good end."""
        self.append("loop_complete")
        entry = {"run_id": "r1", "iteration": 1, "completion_ok": True}
        new = self.summary.with_suffix(".new")
        new.write_text(json.dumps({"version": 1, "loop_id": self.loop_id, "entries": [entry]}))
        new.replace(self.summary)
        self.active(False)

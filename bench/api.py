"""The control API under load: how soon many readers of the stream see a change."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench.fleet import write_registry
from bench.measure import Figure
from bench.processes import running, wait_until
from opsd.demo.replay import load_recording

_CLIENTS = 500
_CHANGES = 40


class _Reader(asyncio.Protocol):
    """Notes when each of the changes arrived: one ``write`` of the daemon is one change."""

    def __init__(self) -> None:
        self.arrived: list[float] = []
        self.greeted = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if b"event: hello" in data and not self.greeted.done():
            self.greeted.set_result(None)
        self.arrived += [now] * data.count(b"event: loop\n")


def many_streams() -> Iterator[Figure]:
    """Milliseconds from an appended line to its change at each of 500 readers."""
    recording = load_recording("long_run")
    with tempfile.TemporaryDirectory() as name:
        repo, log = Path(name) / "repo", Path(name) / "opsd.log"
        folder = repo / ".superloop" / "loops" / recording.loop_id
        folder.mkdir(parents=True)
        journal = folder / "events.jsonl"
        journal.write_bytes(recording.lines[0] + b"\n")
        write_registry(repo, [{"loopId": recording.loop_id}])
        arguments = ("opsd", "run", "--repo", str(repo), "--http-port", "0", "--log-format", "json")
        with running(*arguments, log=log):
            wait_until(lambda: b'"pass.finished"' in log.read_bytes())
            started = next(line for line in log.read_bytes().splitlines() if b'"daemon.started"' in line)
            port = urlsplit(json.loads(started)["http"]).port
            assert port is not None
            taken = sorted(asyncio.run(_measured(port, journal, recording.lines[1] + b"\n")))
    p99 = taken[int(len(taken) * 0.99)] * 1000
    detail = f"ms; p50 {statistics.median(taken) * 1000:.1f} ms, {_CLIENTS} readers, {_CHANGES} changes"
    yield Figure("appended line to every reader of the stream, p99", p99, "< 100 ms", detail)


async def _measured(port: int, journal: Path, line: bytes) -> list[float]:
    loop = asyncio.get_running_loop()
    connections = [await loop.create_connection(_Reader, "127.0.0.1", port) for _ in range(_CLIENTS)]
    readers = [reader for _transport, reader in connections]
    await asyncio.gather(*(reader.greeted for reader in readers))
    taken: list[float] = []
    for number in range(1, _CHANGES + 1):
        await asyncio.sleep(random.uniform(0.2, 0.3))
        began = time.monotonic()
        with journal.open("ab") as file:
            file.write(line)
        async with asyncio.timeout(20):
            while any(len(reader.arrived) < number for reader in readers):
                await asyncio.sleep(0.005)
        taken += [reader.arrived[number - 1] - began for reader in readers]
    for transport, _reader in connections:
        transport.close()
    return taken

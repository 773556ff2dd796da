"""The stream of the control API with many readers: how soon they see a change, and how soon their daemon ends."""

from __future__ import annotations

import contextlib
import json
import random
import select
import signal
import socket
import statistics
import subprocess
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
_OPEN_AT_THE_END = 100
_ENDS = 5


class _Readers:
    """Open streams, read by one thread: a loop of its own would be slower than the daemon's and show itself."""

    def __init__(self, port: int, count: int) -> None:
        self._by_file: dict[int, socket.socket] = {}
        self._ready = select.epoll()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._by_file[connection.fileno()] = connection
            self._ready.register(connection, select.EPOLLIN)

    def all_got(self, event: bytes) -> list[float]:
        """When each reader got an event, by the monotonic clock."""
        arrived: dict[int, float] = {}
        while len(arrived) < len(self._by_file):
            found = self._ready.poll(20)
            if not found:
                raise TimeoutError("a reader of the stream got nothing")
            for file, _mask in found:
                data = self._by_file[file].recv(65536)
                if not data:
                    raise ConnectionError("the daemon ended a stream")
                if event in data:
                    arrived.setdefault(file, time.monotonic())
        return list(arrived.values())

    def close(self) -> None:
        """Go away."""
        self._ready.close()
        for connection in self._by_file.values():
            connection.close()


@contextlib.contextmanager
def _daemon() -> Iterator[tuple[subprocess.Popen[bytes], int, Path, bytes]]:
    """A daemon over one loop: its process, its port, the loop's journal, and a further line for it."""
    recording = load_recording("long_run")
    with tempfile.TemporaryDirectory() as name:
        repo, log = Path(name) / "repo", Path(name) / "opsd.log"
        folder = repo / ".superloop" / "loops" / recording.loop_id
        folder.mkdir(parents=True)
        journal = folder / "events.jsonl"
        journal.write_bytes(recording.lines[0] + b"\n")
        write_registry(repo, [{"loopId": recording.loop_id}])
        arguments = ("opsd", "run", "--repo", str(repo), "--http-port", "0", "--log-format", "json")
        with running(*arguments, log=log) as process:
            wait_until(lambda: b'"pass.finished"' in log.read_bytes())
            started = next(line for line in log.read_bytes().splitlines() if b'"daemon.started"' in line)
            port = urlsplit(json.loads(started)["http"]).port
            assert port is not None
            yield process, port, journal, recording.lines[1] + b"\n"


def many_streams() -> Iterator[Figure]:
    """Milliseconds from an appended line to its change at each of 500 readers."""
    with _daemon() as (_process, port, journal, line):
        readers = _Readers(port, _CLIENTS)
        readers.all_got(b"event: hello\n")
        taken: list[float] = []
        for offset in range(2, _CHANGES + 2):  # the journal has one line
            time.sleep(random.uniform(0.2, 0.3))
            began = time.monotonic()
            with journal.open("ab") as file:
                file.write(line)
            taken += [arrived - began for arrived in readers.all_got(b'"eventLineOffset":%d,' % offset)]
        readers.close()
    taken.sort()
    p99 = taken[int(len(taken) * 0.99)] * 1000
    detail = f"ms; p50 {statistics.median(taken) * 1000:.1f} ms, {_CLIENTS} readers, {_CHANGES} changes"
    yield Figure("appended line to every reader of the stream, p99", p99, "< 100 ms", detail)


def end_with_streams() -> Iterator[Figure]:
    """Seconds from SIGTERM to the end of a daemon whose streams are open."""
    taken: list[float] = []
    for _ in range(_ENDS):
        with _daemon() as (process, port, _journal, _line):
            readers = _Readers(port, _OPEN_AT_THE_END)
            readers.all_got(b"event: hello\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            readers.all_got(b'"reason":"shutdown"')
            if process.wait(20) != 0:
                raise RuntimeError("the daemon did not end well")
            taken.append(time.monotonic() - began)
            readers.close()
    detail = f"s, the longest of {_ENDS}; {_OPEN_AT_THE_END} streams, each told the reason"
    yield Figure("SIGTERM to the end of the daemon", max(taken), "< 2 s", detail)

"""Server CPU of an authenticated snapshot request of an unchanged loop, against a bare handler with the same bytes."""

from __future__ import annotations

import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench.measure import Figure
from bench.processes import TOKEN, cpu_of, printed_url, running, sprite_service
from opsd.demo.replay import Player, load_recording

_REQUESTS = 1500
_ROUNDS = 7


class RawClient:
    """One kept-alive connection that sends the same request again and again."""

    def __init__(self, url: str, path: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n"
        ).encode()
        self.body = b""

    def get(self) -> None:
        """One request and its whole answer."""
        self._socket.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65536)
        self.body = body


def snapshot_cpu() -> Iterator[Figure]:
    """The ratio of server CPU per request, pair by pair."""
    recording = load_recording("complete_third_iteration_with_tests")
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name) / "repo"
        Player(repo, recording, duration_s=0.0, started_at=1795521600).play(lambda _seconds: False)
        time.sleep(0.05)  # files that were written just now are read again, not judged by their stat
        path = f"/ops/snapshot?loopId={recording.loop_id}"
        with sprite_service(repo) as (service, url):
            ours = RawClient(url, path)
            ours.get()
            (Path(name) / "body").write_bytes(ours.body)
            with running("bench.bare_server", str(Path(name) / "body")) as bare_process:
                bare = RawClient(printed_url(bare_process), path)
                pairs = []
                for _ in range(_ROUNDS + 1):
                    spent = []
                    for client, process in ((ours, service.pid), (bare, bare_process.pid)):
                        before = cpu_of(process)
                        for _ in range(_REQUESTS):
                            client.get()
                        spent.append(cpu_of(process) - before)
                    pairs.append((spent[0], spent[1]))
        pairs = pairs[1:]
        yield Figure(
            "CPU of a snapshot request (unchanged) against a bare handler",
            statistics.median(a / b for a, b in pairs),
            "<= 1.4",
            f"{statistics.median(a for a, _ in pairs) / _REQUESTS * 1e6:.0f} us against "
            f"{statistics.median(b for _, b in pairs) / _REQUESTS * 1e6:.0f} us",
        )

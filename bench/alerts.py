"""Alerts: from an escalation on disk to its first request; what a hanging sink costs another; the journal's price."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.measure import Figure, paired
from bench.processes import running, wait_until
from opsd.alerts.model import HttpAnswer, SinkRequest
from opsd.alerts.run.drive import Drive
from opsd.compose_alerts import AlertOptions, dispatch_run
from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.storage import row_files

_ALERTS = 200
_HANGING_ALERTS = 40
_ROWS = 200
_LONG_AGO = "2026-02-01T10:00:00Z"


class _Receiver(ThreadingHTTPServer):
    """Keeps when each loop was first told of, by path; a path that hangs is answered never."""

    daemon_threads = True

    def __init__(self) -> None:
        self.first: dict[tuple[str, str], float] = {}
        self.closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at = time.time()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.first.setdefault((self.path, body["source"]["loopId"]), at)
                if self.path == "/hangs":
                    owner.closing.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any, **_more: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        """An address of this receiver."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


def _catalog(path: Path, *sinks: str) -> None:
    document = {
        "schemaVersion": "v1",
        "defaultMinSeverity": "info",
        "sinks": {
            name: {
                "enabled": True,
                "type": "webhook",
                "urlEnv": f"BENCH_{name.upper()}",
                "timeoutSeconds": 120,
                "rateLimit": {"perSecond": 100_000, "burst": 100_000},
            }
            for name in sinks
        },
        "routing": {"defaultSinks": list(sinks), "categorySeverity": {}, "routes": []},
    }
    path.write_text(json.dumps(document))


def _latencies(loops: int, *sinks: str) -> list[float]:
    """Seconds from each loop's escalation row on disk to the first request to ``/answers``, ascending: one loop after
    the other becomes stale while the daemon runs.
    """
    with tempfile.TemporaryDirectory() as name:
        repo, receiver = Path(name) / "repo", _Receiver()
        _catalog(Path(name) / "sinks.json", *sinks)
        for number in range(loops):
            _event(repo, f"loop-{number:04d}", format_utc(time.time()))
        env = {f"BENCH_{sink.upper()}": receiver.url(f"/{sink}") for sink in sinks}
        arguments = ("opsd", "run", "--repo", str(repo), "--http-port", "0", "--drain-seconds", "1")
        with running(*arguments, "--alerts-catalog-file", f"{name}/sinks.json", env=env, log=Path(name) / "opsd.log"):
            manager = repo / ".superloop" / "ops-manager"
            wait_until(
                lambda: sum(1 for _ in manager.glob("loop-*/health.json")) == loops if manager.is_dir() else False
            )
            time.sleep(2)
            found = []
            for number in range(loops):
                loop_id = f"loop-{number:04d}"
                before = _rows(manager / loop_id)
                receiver.first.pop(("/answers", loop_id), None)
                _event(repo, loop_id, _LONG_AGO)
                path = manager / loop_id / "escalations.jsonl"
                wait_until(lambda folder=manager / loop_id, known=before: _rows(folder) > known)  # type: ignore[misc]
                written = os.stat(path).st_mtime
                wait_until(lambda loop=loop_id: ("/answers", loop) in receiver.first)  # type: ignore[misc]
                found.append(receiver.first["/answers", loop_id] - written)
        receiver.closing.set()
        receiver.shutdown()
        receiver.server_close()
    return sorted(found)


def _rows(folder: Path) -> int:
    try:
        return (folder / "escalations.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def _event(repo: Path, loop_id: str, at: str) -> None:
    """The loop's newest event; one of long ago makes it critical."""
    folder = repo / ".superloop" / "loops" / loop_id
    folder.mkdir(parents=True, exist_ok=True)
    event = {"timestamp": at, "event": "loop_start", "loop_id": loop_id, "iteration": 1, "data": {}}
    with (folder / "events.jsonl").open("ab") as file:
        file.write(json.dumps(event).encode() + b"\n")


def alert_latency() -> Iterator[Figure]:
    """Milliseconds from an escalation row to the first request, alone and beside a sink that hangs."""
    alone = _latencies(_ALERTS, "answers")
    p99 = alone[int(len(alone) * 0.99)] * 1000
    p50 = statistics.median(alone) * 1000
    yield Figure("escalation on disk to first request received, p99", p99, "< 250 ms", f"ms; p50 {p50:.1f} ms")
    beside = statistics.median(_latencies(_HANGING_ALERTS, "hangs", "answers")) * 1000
    yield Figure("delay of a sink beside one that hangs, p50", beside - p50, "< 10 ms", f"ms; {beside:.1f} ms")


class _Accepts:
    async def send(self, request: SinkRequest, timeout_s: float) -> HttpAnswer:
        return HttpAnswer(status=200)

    async def close(self) -> None:
        return


def outbox_throughput() -> Iterator[Figure]:
    """Deliveries through the journal against bare synced appends: two each, the intent's and the outcome's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / ".superloop" / "ops-manager" / "demo"
        folder.mkdir(parents=True)
        _catalog(Path(name) / "sinks.json", "answers")
        options = AlertOptions(config_file=f"{name}/sinks.json", long_lived=True, budget_s=3600.0)
        row = {"timestamp": _LONG_AGO, "category": "health_critical", "reasons": ["x" * 40] * 8}
        line = json.dumps(row).encode() + b"\n"

        def ours() -> None:
            with (folder / "escalations.jsonl").open("ab") as file:
                file.write(line * _ROWS)
            run, _ = dispatch_run(name, LoopId("demo"), "t", options, {"BENCH_ANSWERS": "http://127.0.0.1/x"})
            run.begin()
            asyncio.run(Drive(run, _Accepts()).drive())
            run.finish()

        def bare() -> None:
            for _ in range(2 * _ROWS):
                row_files.append_lines(f"{name}/bare.jsonl", line, durable=True)

        mine, theirs, ratio = paired(ours, bare, rounds=5)
        yield Figure(
            "deliveries through the outbox against two bare synced appends each",
            ratio,
            "<= 2",
            f"{_ROWS / mine:.0f} deliveries/s against {_ROWS / theirs:.0f}",
        )

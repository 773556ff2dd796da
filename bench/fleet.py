"""The daemon as a whole: 1,000 loops resynced every 10 s, and the way of one line from the journal to the state."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Figure
from bench.processes import TOKEN, cpu_of, running, sprite_service, wait_until
from opsd.demo.replay import Player, load_recording

_LOOPS = 1000
_WINDOW_S = 20.0
_LINES = 300


def write_registry(manager: Path, entries: list[dict[str, object]]) -> None:
    """The fleet registry of a manager."""
    file = manager / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"schemaVersion": "v1", "loops": entries}))


def thousand_loops() -> Iterator[Figure]:
    """Share of one core while nothing happens in any of them."""
    recording = load_recording("role_timeout")
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name)
        for number in range(_LOOPS):
            loop = replace(recording, loop_id=f"loop-{number:04d}")
            Player(repo, loop, duration_s=0.0, started_at=time.time()).play(lambda _seconds: False)
        arguments = ("opsd", "run", "--repo", name, "--http-port", "0", "--reconcile-resync-seconds", "10")
        with running(*arguments, log=repo / "opsd.log") as daemon:
            manager = repo / ".superloop" / "ops-manager"
            wait_until(lambda: manager.is_dir() and _passes(manager) >= _LOOPS)
            time.sleep(10)
            before, started = cpu_of(daemon.pid), time.monotonic()
            time.sleep(_WINDOW_S)
            share = (cpu_of(daemon.pid) - before) / (time.monotonic() - started)
        yield Figure(
            "CPU of 1,000 loops resynced every 10 s, share of one core", share, "<= 0.20", f"over {_WINDOW_S:g} s"
        )


def _passes(manager: Path) -> int:
    return sum(1 for entry in os.scandir(manager) if os.path.exists(f"{entry.path}/health.json"))


def stream_latency() -> Iterator[Figure]:
    """Milliseconds from an appended line to the daemon's state on disk, over service and stream."""
    recording = load_recording("long_run")
    with tempfile.TemporaryDirectory() as name:
        repo, manager = Path(name) / "vm", Path(name) / "manager"
        folder = repo / ".superloop" / "loops" / recording.loop_id
        folder.mkdir(parents=True)
        journal = folder / "events.jsonl"
        journal.write_bytes(recording.lines[0] + b"\n")
        with sprite_service(repo) as (_process, url):
            service = {"baseUrl": url, "tokenEnv": "BENCH_TOKEN"}
            entry = {"loopId": recording.loop_id, "transport": "sprite_service", "service": service}
            write_registry(manager, [{**entry, "observe": "stream"}])
            arguments = ("opsd", "run", "--repo", str(manager), "--http-port", "0")
            with running(*arguments, env={"BENCH_TOKEN": TOKEN}, log=Path(name) / "opsd.log"):
                state = manager / ".superloop" / "ops-manager" / recording.loop_id / "state.json"
                wait_until(lambda: _offset(state) == 1)
                time.sleep(1)
                taken = sorted(_one_line(journal, recording.lines[1], state, number + 2) for number in range(_LINES))
        p99 = taken[int(len(taken) * 0.99)] * 1000
        detail = f"ms; p50 {statistics.median(taken) * 1000:.1f} ms over {_LINES} lines"
        yield Figure("appended line to daemon state over the stream, p99", p99, "< 60 ms", detail)


def _one_line(journal: Path, line: bytes, state: Path, number: int) -> float:
    time.sleep(random.uniform(0.02, 0.06))
    with journal.open("ab") as file:
        file.write(line + b"\n")
    started = time.monotonic()
    while _offset(state) < number:
        time.sleep(0.0005)
    return time.monotonic() - started


def _offset(state: Path) -> int:
    try:
        return int(json.loads(state.read_bytes())["cursor"]["eventLineOffset"])
    except (OSError, ValueError, KeyError):
        return -1

"""The demo's processes: one sprite service per recorded run, one daemon over them, all on this host's loopback.

Everything lives in a folder of its own and ends with the demo, whichever way it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsd.contract.errors import OpsError
from opsd.demo.replay import Player, Recording, list_cases, load_recording

TOKEN_VARIABLE = "OPSD_DEMO_TOKEN"  # noqa: S105 - the name of a variable
PREFERRED_PORT = 9464
_START_S = 20.0


@dataclass(slots=True)
class DemoLoop:
    """One recorded run: its repo, the service in front of it, and how it shall end."""

    recording: Recording
    repo: Path
    service: subprocess.Popen[bytes]
    base_url: str


class DemoFleet:
    """Starts and ends everything; a context manager.

    Args:
        folder: where repos, manager files and logs go.
        duration_s: seconds that each replay takes.
    """

    def __init__(self, folder: Path, *, duration_s: float) -> None:
        self.folder = folder
        self.duration_s = duration_s
        self.loops: list[DemoLoop] = []
        self.port = _free_port(PREFERRED_PORT)
        self._stop = threading.Event()
        self._players: list[threading.Thread] = []
        self._daemon: subprocess.Popen[bytes] | None = None
        self._env = {**os.environ, TOKEN_VARIABLE: secrets.token_hex(16)}

    @property
    def url(self) -> str:
        """Address of the daemon's listener."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> DemoFleet:
        try:
            for case in list_cases():
                self._start_service(load_recording(case))
            self._start_daemon()
            for loop in self.loops:
                player = Player(loop.repo, loop.recording, duration_s=self.duration_s, started_at=time.time())
                thread = threading.Thread(target=player.play, args=(self._stop.wait,), daemon=True)
                thread.start()
                self._players.append(thread)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _start_service(self, recording: Recording) -> None:
        repo = self.folder / "sprites" / recording.loop_id
        (repo / ".superloop" / "loops" / recording.loop_id).mkdir(parents=True)
        (repo / ".superloop" / "loops" / recording.loop_id / "events.jsonl").touch()
        env = {**self._env, "OPS_MANAGER_SERVICE_TOKEN": self._env[TOKEN_VARIABLE]}
        command = [sys.executable, "-m", "sprite_service", "--repo", str(repo), "--port", "0"]
        log = (self.folder / f"{recording.loop_id}.log").open("wb")
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.loops.append(DemoLoop(recording, repo, process, ""))
        self.loops[-1].base_url = _listening_address(process)

    def _start_daemon(self) -> None:
        manager = self.folder / "manager"
        registry = manager / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
        registry.parent.mkdir(parents=True)
        entries = [
            {
                "loopId": loop.recording.loop_id,
                "transport": "sprite_service",
                "service": {"baseUrl": loop.base_url, "tokenEnv": TOKEN_VARIABLE},
            }
            for loop in self.loops
        ]
        registry.write_text(json.dumps({"schemaVersion": "v1", "fleetId": "demo", "loops": entries}, indent=2) + "\n")
        command = [sys.executable, "-m", "opsd", "run", "--repo", str(manager), "--http-port", str(self.port)]
        command += ["--reconcile-resync-seconds", "5", "--log-format", "json"]
        with (self.folder / "opsd.log").open("wb") as log:
            self._daemon = subprocess.Popen(
                command, env=self._env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._daemon.poll() is not None:
                raise OpsError(f"the daemon ended at its start; its log: {self.folder / 'opsd.log'}")
            with contextlib.suppress(OSError):
                self._get("/healthz")
                return
            time.sleep(0.05)
        raise OpsError(f"the daemon did not answer within {_START_S:g} s; its log: {self.folder / 'opsd.log'}")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - loopback, our own daemon
            return json.loads(answer.read())

    def views(self) -> list[dict[str, Any]]:
        """What the daemon knows of each loop."""
        try:
            loops: list[dict[str, Any]] = self._get("/v1/loops")["loops"]
        except urllib.error.URLError as error:
            raise OpsError(f"the daemon does not answer; its log: {self.folder / 'opsd.log'}") from error
        return loops

    def played_out(self) -> bool:
        """Every replay has come to its end."""
        return not any(thread.is_alive() for thread in self._players)

    def settled(self, views: list[dict[str, Any]]) -> bool:
        """The daemon sees every loop at the end of its journal and in the state that its recording ended in."""
        by_id = {view["loopId"]: view for view in views}
        return all(
            by_id[loop.recording.loop_id].get("state") == loop.recording.expected_state
            and by_id[loop.recording.loop_id]["cursor"]["eventLineOffset"] == len(loop.recording.lines)
            for loop in self.loops
            if loop.recording.loop_id in by_id
        ) and len(by_id) == len(self.loops)

    def close(self) -> None:
        """End everything, the daemon first."""
        self._stop.set()
        processes = [self._daemon] if self._daemon is not None else []
        for process in [*processes, *(loop.service for loop in self.loops)]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in [*processes, *(loop.service for loop in self.loops)]:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for thread in self._players:
            thread.join(1)


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OpsError("no free port on the loopback interface")


def _listening_address(process: subprocess.Popen[bytes]) -> str:
    """The address that a sprite service prints when it listens."""
    for line in _lines(process):
        if b"listening on " in line:
            return line.rsplit(b" ", 1)[1].decode().strip()
    raise OpsError("a sprite service ended at its start")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    if process.stdout is not None:
        yield from process.stdout

"""The sandbox of a drill: sprite services over simulated runs, a registry, a daemon; all in one folder, on loopback.

Guarantees: nothing outside the folder is written; neither this host's settings nor a variable that would lead to a
fleet in use (``OPS_MANAGER_…``, ``OPSD_…``, those of a service manager) reach the processes; and all of them end with
the sandbox, whichever way it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import get
from opsd.drill.sprite import Sprite
from opsd.fleet.handoff.attempts import rows_of
from opsd.simulate.services import end_processes
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore

TOKEN_VARIABLE = "OPSD_DRILL_TOKEN"  # noqa: S105 - the name of a variable
#: Waits for what has to happen, in seconds; a machine that is busy needs a part of it.
PATIENCE_S = 40.0
_LOOK_S = 0.05
_DAY_S = 86_400
_FLAGS = (
    *("--config", os.devnull, "--promotion-enabled", "false"),
    *("--http-port", "0", "--log-format", "json", "--fleet-interval-seconds", "0.3"),
    *("--fleet-confirm-interval-seconds", "1", "--observe-idle-resync-seconds", "1", "--observe-linger-seconds", "0"),
    *("--observe-default", "poll", "--reconcile-resync-seconds", "1", "--reconcile-backoff-cap-seconds", "1"),
    *("--registry-reload-seconds", "0.2", "--transport-connect-timeout-seconds", "2"),
    *("--fleet-max-pass-age-seconds", "2"),
)


class Sandbox:
    """A context manager.

    Args:
        folder: an empty one, or none yet.
        loop_ids: a sprite for each, running.
    """

    def __init__(self, folder: Path, *loop_ids: str) -> None:
        self.folder = folder
        self.manager = folder / "manager"
        self.manager.mkdir(parents=True)
        self.store = FileFleetStore(str(self.manager))
        token = secrets.token_hex(16)
        self.env = {**_clean(os.environ), TOKEN_VARIABLE: token}
        self.sprites = [Sprite(folder / "sprites", name, self.env, token) for name in loop_ids]
        self._daemon: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._daemons = 0

    def __enter__(self) -> Sandbox:
        try:
            for sprite in self.sprites:
                sprite.start()
            for sprite in self.sprites:
                sprite.listens()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, the daemon first."""
        self.stop_daemon()
        for sprite in self.sprites:
            sprite.close()

    # The registry, as an operator writes it.

    def registry(self, *, categories: list[str], **autonomous: Any) -> JsonObject:
        """A registry that lets autonomy cancel loops with trouble of ``categories``; ``autonomous`` adds to it."""
        now = time.time()
        governance = {
            "actor": "drill",
            "approvalRef": "DRILL",
            "rationale": "a drill in its sandbox",
            "changedAt": format_utc(now),
            "reviewBy": format_utc(now + 30 * _DAY_S),
            "reviewWindowDays": 30,
        }
        return {
            "schemaVersion": "v1",
            "fleetId": "drill",
            "loops": [
                {
                    "loopId": sprite.loop_id,
                    "transport": "sprite_service",
                    "service": {"baseUrl": sprite.url, "tokenEnv": TOKEN_VARIABLE, "retryAttempts": 1},
                }
                for sprite in self.sprites
            ],
            "policy": {
                "mode": "guarded_auto",
                "noiseControls": {"dedupeWindowSeconds": 0},
                "autonomous": {
                    "allow": {"categories": categories, "intents": ["cancel"]},
                    "governance": governance,
                    **autonomous,
                },
            },
        }

    def put_registry(self, document: JsonObject) -> None:
        """Put a registry in force."""
        self.store.prepare(FleetDocument.REGISTRY)
        self.store.replace(FleetDocument.REGISTRY, document)

    # The daemon.

    def start_daemon(self, *, confirm_s: int = 10) -> None:
        """Start a daemon over the registry, and wait until it answers.

        Raises:
            OpsError: it ended, or did not answer in time.
        """
        self._daemons += 1
        log = self.folder / f"opsd-{self._daemons}.log"
        command = [sys.executable, "-P", "-m", "opsd", "run", "--repo", str(self.manager), *_FLAGS]
        command += ["--fleet-confirm-timeout-seconds", str(confirm_s)]
        with log.open("wb") as file:
            self._daemon = subprocess.Popen(command, env=self.env, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        self.wait("the daemon started", lambda: self._started(log))

    def _started(self, log: Path) -> bool:
        for line in log.read_bytes().splitlines():
            if b'"daemon.started"' in line:
                self._url = str(json.loads(line)["http"]).removesuffix("/metrics")
                return True
        return False

    def stop_daemon(self) -> None:
        """End the daemon in order."""
        process, self._daemon = self._daemon, None
        if process is not None:
            end_processes(process, within_s=30.0)

    def kill_daemon(self) -> None:
        """The daemon is gone, as with its machine."""
        if self._daemon is not None:
            self._daemon.kill()
        self.stop_daemon()

    def runs(self) -> int:
        """How often this daemon's fleet steps have come to an end."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=10) as answer:  # noqa: S310 - loopback, our own
            lines = answer.read().decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("opsd_fleet_runs_total"))

    def view(self, loop_id: str) -> JsonObject:
        """What the daemon knows of a loop."""
        with urllib.request.urlopen(f"{self._url}/v1/loops/{loop_id}", timeout=10) as answer:  # noqa: S310
            found: JsonObject = json.loads(answer.read())["loop"]
        return found

    def opsd(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        """A command by hand."""
        command = [sys.executable, "-P", "-m", "opsd", *argv]
        return subprocess.run(command, capture_output=True, env=self.env, check=False, timeout=PATIENCE_S)

    # What happened.

    def document(self, part: FleetDocument) -> JsonObject:
        """A document of the fleet; an empty one while there is none."""
        return jsoncodec.object_in(self.store.read(part)) or {}

    def candidates(self) -> dict[str, JsonObject]:
        """The policy's newest candidate of each loop."""
        return {one["loopId"]: one for one in self.document(FleetDocument.POLICY).get("candidates", ())}

    def intents(self) -> dict[str, JsonObject]:
        """The handoff's intent for each loop."""
        return {one["loopId"]: one for one in self.document(FleetDocument.HANDOFF).get("intents", ())}

    def attempts(self) -> list[JsonObject]:
        """The record of dispatch attempts, each row after an attempt with the loop that it is about."""
        rows = rows_of(self.store.read(FleetLog.HANDOFF_ATTEMPTS) or b"")
        loops = {row["attemptId"]: row["loopId"] for row in rows if "loopId" in row}
        return [{**row, "loopId": loops.get(row.get("attemptId"))} for row in rows]

    def outcomes(self, loop_id: str) -> list[str]:
        """How the attempts on a loop ended, oldest first."""
        return [str(row["status"]) for row in self.attempts() if row["loopId"] == loop_id and "status" in row]

    def wait(self, what: str, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait until something has happened.

        Raises:
            OpsError: it did not.
        """
        if not self.happens(condition, within_s):
            raise OpsError(f"it did not come about within {within_s:g} s that {what}")

    def happens(self, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
        """Whether something happens in time.

        Raises:
            OpsError: the daemon has ended by itself.
        """
        deadline = time.monotonic() + within_s
        while True:
            with contextlib.suppress(OSError):  # a daemon that does not answer just now
                if condition():
                    return True
            if self._daemon is not None and self._daemon.poll() is not None:
                raise OpsError(f"the daemon has ended by itself; its log: {self.folder}/opsd-{self._daemons}.log")
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)

    def let_run(self, more: int) -> None:
        """Wait until the fleet's steps have run ``more`` times from now on, the run under way not counted.

        Raises:
            OpsError: they do not.
        """
        wanted = self.runs() + 1 + more
        self.wait(f"the fleet's steps ran {more} more times", lambda: self.runs() >= wanted)


def reasons_of(document: JsonObject | None) -> list[str]:
    """Why autonomy leaves a candidate or an intent alone."""
    found = get(document, "autonomous", "reasons")
    return [str(one) for one in found] if isinstance(found, list) else []


#: What would lead out of the sandbox: to hooks, settings, secrets, the service manager.
_FOREIGN = ("OPS_MANAGER_", "OPSD_", "SUPERLOOP_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_")


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(_FOREIGN)}

"""The demo's processes: sprite services over recorded and simulated runs, one daemon over them, all on loopback.

Everything lives in a folder of its own and ends with the demo, whichever way it ends.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsd.contract.errors import OpsError
from opsd.contract.values import printable
from opsd.demo.alerts import URL_VARIABLE, AlertDesk
from opsd.demo.autonomy import TROUBLES, policy_block, told
from opsd.demo.replay import Player, Recording, list_cases, load_recording
from opsd.simulate.services import end_processes, free_port, listening_address, start_service, write_runtime
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_store import FileFleetStore

#: The one that commands by hand take too: with it set, every command that the demo or a page prints can be pasted.
TOKEN_VARIABLE = "OPS_MANAGER_SERVICE_TOKEN"  # noqa: S105 - the name of a variable
PREFERRED_PORT = 9464
#: A daemon that does not listen by then never will, in seconds; a machine that is busy needs a part of it.
_START_S = 120.0
#: The daemon's own word that it listens, and where.
_STARTED = re.compile(rb'"http":"(http://[^"]+)/metrics","event":"daemon\.started"')


@dataclass(frozen=True, slots=True)
class Act:
    """A simulated run that waits for an operator: what to do with it, and how it ends then."""

    loop_id: str
    intent: str
    waits_in: str
    ends_in: str
    arguments: tuple[str, ...]


#: A decision is consumed by the run that follows it; without one a rejected loop stays idle (contract 05, 7).
ACTS = (
    Act("price-import", "approve", "awaiting_approval", "complete", ("--approval", "--resume-after", "3")),
    Act("schema-drop", "reject", "awaiting_approval", "idle", ("--approval",)),
    Act("log-cleanup", "cancel", "running", "unknown", ("--ending", "stalled", "--torn")),
)


@dataclass(slots=True)
class DemoLoop:
    """One loop of the demo: its repo, the service in front of it (None: nobody listens), and how it shall end."""

    loop_id: str
    repo: Path
    service: subprocess.Popen[bytes] | None
    base_url: str
    expected_state: str | None
    expected_lines: int | None = None


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
        self.manager = folder / "manager"
        self.token_file = folder / "token"
        self._log = folder / "opsd.log"
        self.url = ""  # of the daemon's listener, once it listens
        self._stop = threading.Event()
        self._players: list[threading.Thread] = []
        self._runs: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None
        self.desk = AlertDesk()
        self._env = {**os.environ, TOKEN_VARIABLE: secrets.token_hex(16), URL_VARIABLE: self.desk.url}

    def __enter__(self) -> DemoFleet:
        try:
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(self._env[TOKEN_VARIABLE] + "\n")
            recordings = [load_recording(case) for case in list_cases()]
            for recording in recordings:
                self._start_service(recording.loop_id, recording.expected_state, len(recording.lines))
            for act in ACTS:
                self._start_service(act.loop_id, act.ends_in)
            for trouble in TROUBLES:
                if trouble.crashes:
                    self._start_service(trouble.loop_id, trouble.ends_in)
                else:
                    address = f"http://127.0.0.1:{free_port(0)}"
                    self.loops.append(
                        DemoLoop(trouble.loop_id, self._repo(trouble.loop_id), None, address, trouble.ends_in)
                    )
            self.desk.write_catalog(self.folder / "alert-sinks.json")
            self._start_daemon()
            for recording in recordings:
                self._play(recording)
            for act in ACTS:
                self._simulate(act.loop_id, act.arguments)
            for trouble in TROUBLES:
                if trouble.crashes:
                    self._simulate(trouble.loop_id, ("--ending", "crashed"))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _repo(self, loop_id: str) -> Path:
        return self.folder / "sprites" / loop_id

    def _start_service(self, loop_id: str, expected_state: str | None, lines: int | None = None) -> None:
        repo = self._repo(loop_id)
        (repo / ".superloop" / "loops" / loop_id).mkdir(parents=True)
        (repo / ".superloop" / "loops" / loop_id / "events.jsonl").touch()
        runtime = repo / "superloop.sh"
        write_runtime(runtime)
        process = start_service(repo, runtime, self._env, self._env[TOKEN_VARIABLE], self.folder / f"{loop_id}.log")
        self.loops.append(DemoLoop(loop_id, repo, process, "", expected_state, lines))
        self.loops[-1].base_url = listening_address(process)

    def _play(self, recording: Recording) -> None:
        repo = self._repo(recording.loop_id)
        player = Player(repo, recording, duration_s=self.duration_s, started_at=time.time())
        thread = threading.Thread(target=player.play, args=(self._stop.wait,), daemon=True)
        thread.start()
        self._players.append(thread)

    def _simulate(self, loop_id: str, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", "opsd", "simulate", "run", "--repo", str(self._repo(loop_id))]
        command += ["--loop", loop_id, "--iterations", "2", "--seconds", f"{self.duration_s / 4:g}"]
        with (self.folder / f"{loop_id}.run.log").open("wb") as log:
            self._runs.append(
                subprocess.Popen(
                    [*command, *arguments],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # a cancel stops the whole group
                )
            )

    def _start_daemon(self) -> None:
        registry = self.manager / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
        registry.parent.mkdir(parents=True)
        entries = [
            {
                "loopId": loop.loop_id,
                "transport": "sprite_service",
                "service": {"baseUrl": loop.base_url, "tokenEnv": TOKEN_VARIABLE, "retryAttempts": 1},
            }
            for loop in self.loops
        ]
        document = {"schemaVersion": "v1", "fleetId": "demo", "loops": entries, "policy": policy_block(time.time())}
        registry.write_text(json.dumps(document, indent=2) + "\n")
        # Whoever took the preferred port since it was free answers there too, so only our daemon's own log is believed.
        if not self._listens(free_port(PREFERRED_PORT)) and not self._listens(0):
            raise self._failed("the daemon ended at its start")

    def _listens(self, port: int) -> bool:
        """Start the daemon; whether it listens. False: it ended.

        Raises:
            OpsError: it did neither in time.
        """
        command = [sys.executable, "-m", "opsd", "run", "--repo", str(self.manager), "--http-port", str(port)]
        command += ["--config", os.devnull]  # this host's settings may lead to a fleet in use
        command += ["--reconcile-resync-seconds", "5", "--observe-idle-resync-seconds", "5", "--log-format", "json"]
        command += ["--fleet-interval-seconds", "1", "--fleet-confirm-interval-seconds", "1"]
        command += ["--thresholds-spare-finished", "true"]  # a demo that is left alone calls for no help
        command += ["--alerts-catalog-file", str(self.folder / "alert-sinks.json")]
        with self._log.open("wb") as log:
            daemon = self.daemon = subprocess.Popen(
                command, env=self._env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if (started := _STARTED.search(self._log.read_bytes())) is not None:
                self.url = started[1].decode()
                return True
            if daemon.poll() is not None:
                return False
            time.sleep(0.05)
        raise self._failed(f"the daemon did not listen within {_START_S:g} s")

    def _failed(self, what: str) -> OpsError:
        """What to tell when the daemon is not there; its log may be gone with the folder by then."""
        last = self._log.read_bytes().strip().rpartition(b"\n")[2].decode(errors="replace")
        return OpsError(f"{what}; the last line of {self._log}: {printable(last)}")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - loopback, our own daemon
            return json.loads(answer.read())

    def views(self) -> list[dict[str, Any]]:
        """What the daemon knows of each loop."""
        if self.daemon is None or self.daemon.poll() is not None:
            raise self._failed("the daemon has ended")
        try:
            loops: list[dict[str, Any]] = self._get("/v1/loops")["loops"]
        except urllib.error.URLError as error:
            raise self._failed("the daemon does not answer") from error
        return loops

    def told(self) -> dict[str, str]:
        """What the fleet's policy makes of the loops in trouble."""
        try:
            policy = self._get("/v1/fleet/policy")["policy"]
        except urllib.error.HTTPError:
            policy = None  # there is none yet
        except urllib.error.URLError as error:
            raise self._failed("the daemon does not answer") from error
        record = FileFleetStore(str(self.manager)).read(FleetLog.HANDOFF_ATTEMPTS) or b""
        return told(policy, [json.loads(line) for line in record.split(b"\n")[:-1]])

    def autonomy_settled(self, told: dict[str, str]) -> bool:
        """Every loop in trouble is where it has to be: one cancelled, the others left to a person."""
        return all(told.get(trouble.loop_id) == trouble.told for trouble in TROUBLES)

    def control_command(self, act: Act, *, program: Sequence[str] = ("opsd",)) -> list[str]:
        """What an operator types to carry out an act; the token comes from the environment."""
        url = next(loop.base_url for loop in self.loops if loop.loop_id == act.loop_id)
        command = [*program, "control", "--repo", str(self.manager), "--loop", act.loop_id, "--intent", act.intent]
        return [*command, "--transport", "sprite_service", "--service-base-url", url]

    def control(self, act: Act) -> subprocess.Popen[bytes]:
        """Start to carry out an act, as an operator would."""
        command = [sys.executable, "-m", *self.control_command(act)]
        return subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def played_out(self) -> bool:
        """Every replay has come to its end."""
        return not any(thread.is_alive() for thread in self._players)

    def settled(self, views: list[dict[str, Any]]) -> bool:
        """The daemon sees every loop where it has to end."""
        by_id = {view["loopId"]: view for view in views}
        return len(by_id) == len(self.loops) and all(
            by_id[loop.loop_id].get("state") == loop.expected_state
            and loop.expected_lines in (None, by_id[loop.loop_id]["cursor"]["eventLineOffset"])
            for loop in self.loops
            if loop.loop_id in by_id
        )

    def close(self) -> None:
        """End everything, the daemon first."""
        self._stop.set()
        processes = [self.daemon] if self.daemon is not None else []
        processes += [loop.service for loop in self.loops if loop.service is not None] + self._runs
        end_processes(*processes)
        for thread in self._players:
            thread.join(1)
        self.desk.close()

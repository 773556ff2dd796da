"""A sprite of a drill's sandbox: a repo with a simulated runtime that can be told how to behave, and its service."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from opsd.simulate.services import end_processes, held_port, listening_address, start_service, write_runtime

#: A short run takes a part of these seconds.
_RUN_S = 40.0


class Sprite:
    """One sprite: a repo with a runtime, and the service in front of it.

    The runtime notes every call. A file ``deaf`` in the sprite's folder makes it answer and do nothing; an executable
    ``before-call`` there runs first.
    """

    def __init__(self, folder: Path, loop_id: str, env: dict[str, str], token: str) -> None:
        self.loop_id = loop_id
        self.folder = folder / loop_id
        self.repo = self.folder / "repo"
        self.url = ""
        self._calls = self.folder / "calls"
        self._runtime = self.folder / "superloop.sh"
        self._env = env
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        self._place: socket.socket | None = None
        (self.repo / ".superloop" / "loops" / loop_id).mkdir(parents=True)
        write_runtime(
            self._runtime,
            'here=$(dirname "$0")\necho "$@" >> "$here/calls"\n'
            '[ -x "$here/before-call" ] && "$here/before-call"\n[ -e "$here/deaf" ] && exit 0\n',
        )

    @property
    def calls(self) -> list[str]:
        """What the runtime was told, by the first word of each call."""
        return [line.split()[0] for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    @property
    def events(self) -> int:
        """Lines in the loop's journal."""
        journal = self.repo / ".superloop" / "loops" / self.loop_id / "events.jsonl"
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    def run(self, ending: str) -> None:
        """Play one short run to its ending; ``crashed`` leaves a loop that is in trouble."""
        command = [sys.executable, "-P", "-m", "opsd", "simulate", "run", "--repo", str(self.repo)]
        command += ["--loop", self.loop_id, "--iterations", "1", "--seconds", "0", "--ending", ending]
        with (self.folder / "run.log").open("ab") as log:
            subprocess.run(command, stdout=log, stderr=log, env=self._env, check=False, timeout=_RUN_S)

    def before_call(self, script: str) -> None:
        """Have every call run shell text first."""
        path = self.folder / "before-call"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def deaf(self, is_deaf: bool) -> None:
        """Have the runtime do nothing of what it is told, or all of it again."""
        mark = self.folder / "deaf"
        if is_deaf:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def start(self) -> None:
        """Begin to start the service, where it was before if there was one."""
        log = self.folder / "sprite-service.log"
        self._process = start_service(self.repo, self._runtime, self._env, self._token, log, port=self._port)

    @property
    def _port(self) -> int:
        """Where the service listens, or did; 0 before its first start."""
        return int(self.url.rsplit(":", 1)[1]) if self.url else 0

    def listens(self) -> None:
        """Wait until the service listens."""
        if self._process is not None:
            self.url = listening_address(self._process).rstrip("/")
            self._give_up_place()

    def fail(self) -> None:
        """The service is gone, as with its machine; its port is kept for it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            end_processes(process)
            self._place = held_port(self._port)

    def close(self) -> None:
        """End the service."""
        process, self._process = self._process, None
        if process is not None:
            end_processes(process)
        self._give_up_place()

    def _give_up_place(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.close()

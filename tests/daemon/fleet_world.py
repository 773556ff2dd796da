"""A repo with simulated runs, a registry that permits autonomy, and a runtime that obeys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.daemon.support import PATIENCE_S, Daemon, whole_lines, write_registry

GOVERNANCE = {
    "actor": "duty-lead",
    "approvalRef": "CHG-7",
    "rationale": "night cover",
    "changedAt": "2026-01-01T00:00:00Z",
    "reviewBy": "2096-01-01T00:00:00Z",
    "reviewWindowDays": 30,
}
#: Quick runs of the steps, and quick looks for effects.
FLAGS = [
    "--fleet-interval-seconds",
    "0.2",
    "--fleet-confirm-timeout-seconds",
    "60",
    "--fleet-confirm-interval-seconds",
    "1",
]


class FleetWorld:
    """Everything in one repo. ``calls`` is what the runtime was told."""

    def __init__(self, repo: Path, *loops: str) -> None:
        self.repo = repo
        self.loops = loops
        repo.mkdir(parents=True, exist_ok=True)
        self.calls_file = repo / "calls"
        self.before_call = repo / "before-call"
        self.runtime = repo / "superloop.sh"
        self.runtime.write_text(
            f'#!/bin/sh\necho "$@" >> {self.calls_file}\ntest -x {self.before_call} && {self.before_call}\n'
            f'exec {sys.executable} -m opsd simulate "$@"\n'
        )
        self.runtime.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        return {"SUPERLOOP_BIN": str(self.runtime)}

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def crash(self, loop_id: str) -> None:
        """A run of the loop begins, and its process is killed in its first iteration."""
        command = [sys.executable, "-m", "opsd", "simulate", "run", "--repo", str(self.repo), "--loop", loop_id]
        subprocess.run([*command, "--iterations", "1", "--seconds", "0", "--ending", "crashed"], check=False)

    def critical(self, loop_id: str) -> None:
        """A loop whose journal cannot be read: its passes fail."""
        folder = self.repo / ".superloop" / "loops" / loop_id
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_text("no event\n")

    def permit(self, **autonomous: Any) -> None:
        """Put a registry in place; ``autonomous`` stands over what permits every action on every loop."""
        policy = {
            "mode": "guarded_auto",
            "noiseControls": {"dedupeWindowSeconds": 0},
            "autonomous": {
                "governance": GOVERNANCE,
                "allow": {"categories": ["health_critical", "reconcile_failed"], "intents": ["cancel"]},
                **autonomous,
            },
        }
        write_registry(self.repo, *({"loopId": name} for name in self.loops), policy=policy)

    def document(self, name: str) -> Any:
        return json.loads(self.file(name).read_text())

    def rows(self, name: str) -> list[Any]:
        path = self.file(name)
        return [json.loads(line) for line in whole_lines(path)] if path.exists() else []

    def file(self, name: str) -> Path:
        return self.repo / ".superloop" / "ops-manager" / "fleet" / name

    def opsd(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command by hand."""
        command = [sys.executable, "-m", "opsd", *argv, "--repo", str(self.repo)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


async def until_runs(found: Daemon, more: int = 2) -> None:
    """Wait until the fleet's steps have run ``more`` times, counted from now."""

    async def runs() -> float:
        series = await found.metrics()
        return sum(value for name, value in series.items() if name.startswith("opsd_fleet_runs_total"))

    wanted = await runs() + more

    async def enough() -> bool:
        return await runs() >= wanted

    await found.until(enough)

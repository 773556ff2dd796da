"""The runbook's procedures, run as they are printed: a loop that fell silent, a policy, a sink that nobody answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.storage.fleet_parts import FleetDocument
from tests.daemon.support import daemon
from tests.monitoring.known import ROOT

LOOP = "billing-export"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
_HOUR_S = 3600
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _sections() -> dict[str, str]:
    """The shell blocks to be run, by the procedure that they belong to; "" for those before the first."""
    found: dict[str, str] = {"": ""}
    heading = ""
    for line, block in re.findall(r"^### ([^\n]*)$|^ *```sh\n(.*?)^ *```$", RUNBOOK, re.MULTILINE | re.DOTALL):
        if line:
            heading = line
        else:
            found[heading] = found.get(heading, "") + textwrap.dedent(block)
    return found


class World:
    """A manager's folder in which every procedure has something to work on."""

    def __init__(self, folder: Path) -> None:
        self.repo = folder / "manager"
        self.repo.mkdir()
        self.backup = folder / "opsd.tgz"
        programs = folder / "bin"
        programs.mkdir()
        self._program(programs / "opsd", f'exec "{sys.executable}" -m opsd "$@"')
        runtime = programs / "superloop"
        self._program(runtime, f'exec "{sys.executable}" -m opsd simulate "$@"')
        catalog = folder / "sinks.json"
        catalog.write_text(json.dumps(_CATALOG))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_MANAGER_", "OPSD_"))}
        self.env = {
            **own,
            "PATH": f"{programs}:{own['PATH']}",
            "USER": "alex",
            "REPO": str(self.repo),
            "LOOP": LOOP,
            "BACKUP": str(self.backup),
            "SUPERLOOP_BIN": str(runtime),
            "OPS_MANAGER_ALERT_SINKS_FILE": str(catalog),
            "DESK_URL": "http://127.0.0.1:9/",
        }
        self._a_run_that_fell_silent()
        self.file("registry.v1.json").parent.mkdir(parents=True)
        self.file("registry.v1.json").write_text(json.dumps(_REGISTRY))
        for step in ("reconcile", "policy", "handoff"):
            self.run(f'opsd fleet {step} --repo "$REPO"')

    def file(self, name: str) -> Path:
        """A file of the fleet."""
        return self.repo / ".superloop" / "ops-manager" / "fleet" / name

    def document(self, part: FleetDocument) -> dict[str, Any]:
        """A document of the fleet."""
        found: dict[str, Any] = json.loads(self.file(part.value).read_text())
        return found

    def run(self, script: str, **env: str) -> str:
        """Run what the runbook prints, as a careful shell does; its standard output."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def _a_run_that_fell_silent(self) -> None:
        command = ["simulate", "run", "--repo", self.repo, "--loop", LOOP, "--iterations", "1", "--seconds", "0.1"]
        subprocess.run([sys.executable, "-m", "opsd", *command, "--ending", "crashed"], check=False, timeout=180)
        for path in (self.repo / ".superloop").rglob("*.json*"):
            path.write_text(_MOMENT.sub(lambda found: _earlier(found[0]), path.read_text()))

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)


_CATALOG = {
    "schemaVersion": "v1",
    "defaultMinSeverity": "warning",
    "sinks": {"desk": {"enabled": True, "type": "webhook", "urlEnv": "DESK_URL", "retry": {"maxAttempts": 1}}},
    "routing": {"defaultSinks": ["desk"], "categorySeverity": {"health_critical": "critical"}, "routes": []},
}
_REGISTRY = {
    "schemaVersion": "v1",
    "fleetId": "my-fleet",
    "loops": [{"loopId": LOOP, "transport": "local"}],
    "policy": {"mode": "advisory", "noiseControls": {"dedupeWindowSeconds": 0}},
}


def _earlier(text: str) -> str:
    moment = parse_epoch(text)
    assert moment is not None
    return format_utc(moment - 2 * _HOUR_S)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh one."""
    return World(tmp_path)


async def test_the_procedures_work_as_they_are_printed(world: World) -> None:
    sections = _sections()
    definitions = sections.pop("") + sections.pop("Changing the registry")
    restore = sections.pop("Restore from backup")
    answers: dict[str, str] = {}
    async with daemon(world.repo, "--fleet-enabled", "false", "--alerts-enabled", "false") as running:
        for heading, script in sections.items():
            answers[heading] = world.run(definitions + script, OPSD_URL=running.url)
        assert running.stop() == 0
    assert f'"criticalLoops": [\n      "{LOOP}"' in answers["The first minute"]
    assert "activeMismatch" in answers["Divergence triage"]
    assert '"status":"confirmed"' in answers["Safe retry"]
    assert '"deliveryId": "omd_' in answers["Dead letters"]
    assert world.document(FleetDocument.HANDOFF)["intents"][0]["status"] == "executed"
    assert "promotion_drill_missing_sprite_service_outage" in answers["Drills"]
    autonomous = world.document(FleetDocument.REGISTRY)["policy"]["autonomous"]
    assert autonomous["safety"]["killSwitch"] is False
    assert autonomous["rollout"]["pause"]["manual"] is False
    assert autonomous["governance"]["actor"] == "alex"

    before = world.file("registry.v1.json").read_bytes()
    world.run(definitions + restore)
    assert world.file("registry.v1.json").read_bytes() == before


def test_a_change_that_would_make_a_bad_registry_is_not_put_in_force(world: World) -> None:
    sections = _sections()
    before = world.file("registry.v1.json").read_bytes()
    script = sections[""] + sections["Changing the registry"]
    world.run(script + "set_in_registry policy.autonomous.safety.killSwitch '\"perhaps\"' && exit 1 || true")
    assert world.file("registry.v1.json").read_bytes() == before


def test_every_procedure_that_is_linked_is_there() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= headings

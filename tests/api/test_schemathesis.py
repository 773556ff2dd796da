"""Both services under schemathesis: whatever their documents allow or forbid is tried, and every answer is checked.

Every check of schemathesis is on, but for the sprite service's answer to unknown methods, which the contract fixes as
501 (30, 6.2): ``schemathesis_hooks.py`` holds that answer and every other 5xx of that service to the contract's words.
A case is a request made from the document whose answer all checks have looked at; what a check asks in addition is not
counted. Streams are tried too: the hooks have them end at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld
from tests.daemon.support import TOKEN, LiveLoop, daemon, sprite
from tests.drill.sabotage import QUICK, beginning_with

_HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
#: 404: no such silence or candidate. 409: a state that forbids it. 422: a key that was used for another request. A look
#: for an effect lasts as long as it is told to; its own tests try the other values.
_DAEMON = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "415"]

[parameters]
"path.loop" = "alpha"
"query.timeoutSeconds" = 0
"""
#: 400 of what is valid and 5xx: the hooks look at each.
_SPRITE = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "422", "500", "502"]

[checks.negative_data_rejection]
expected-statuses = ["400"]

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "500", "501", "502"]
"""
_LIMITS = ("--http-wrong-tokens", "1000000", "--http-max-body-bytes", "8000000", "--http-max-header-bytes", "65536")
#: Left out of one test, and all that there is in another.
_DRILLS = "/api/v1/drills"
#: Cases of each service at least; together 5,000.
_DAEMON_CASES, _SPRITE_CASES = 3500, 1500
#: Most of them are no valid requests, and refused at once.
_DRILL_CASES = 40
#: The same cases in every run, so that a change is judged by itself; another seed tries others.
_SEED = os.environ.get("OPSD_TEST_SCHEMATHESIS_SEED", "20261126")


async def cases_of(url: str, document: str, token: str, config: str, folder: Path, *flags: str) -> int:
    """How many cases were tried without any failure."""
    file, counted = folder / "schemathesis.toml", folder / "cases.txt"
    file.write_text(f"hooks = {json.dumps(str(_HOOKS))}\n{config}")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(file), "run", url + document]
    command += ["--url", url, "-H", f"Authorization: Bearer {token}", "--checks", "all", "--workers", "1", "--no-color"]
    command += ["--seed", _SEED, "--continue-on-failure", "--generation-database", "none", "--request-timeout", "120"]
    command += ["--suppress-health-check", "too_slow"]  # which is about the machine
    process = await asyncio.create_subprocess_exec(
        *command,
        *flags,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "OPSD_TEST_CASES_FILE": str(counted)},
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output[-20000:]
    return int(counted.read_text())


async def test_the_daemon_answers_every_case_as_its_document_says(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.runtime.write_text("#!/bin/sh\nexit 3\n")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running(*_LIMITS) as running:
        flags = ["--max-examples", "15", "--exclude-path", _DRILLS]
        count = await cases_of(running.url, "/api/v1/openapi.json", token, _DAEMON, tmp_path, *flags)
        assert count >= _DAEMON_CASES
        assert running.process.poll() is None
        assert not [line for line in running.log if line["level"] in ("error", "critical")]


async def test_drills_are_answered_as_the_document_says(tmp_path: Path) -> None:
    """The real command carries out every case; only what it does in a sandbox, many seconds each, holds at once."""
    world = ApiWorld(tmp_path, "alpha")
    world.permit(safety={"killSwitch": True})  # a confirmed drill of the fleet ends at once: it releases no brake
    registry = world.file("registry.v1.json").read_bytes()
    token = world.principal("ann", Scope.ADMIN)
    flags = ("--http-principals-file", str(world.principals_file), *_LIMITS)
    async with daemon(world.repo, *flags, env=beginning_with(tmp_path / "quick", QUICK)) as running:
        few = ("--max-examples", "10", "--include-path", _DRILLS)
        assert await cases_of(running.url, "/api/v1/openapi.json", token, _DAEMON, tmp_path, *few) >= _DRILL_CASES
        assert running.process.poll() is None
        assert not [line for line in running.log if line["level"] in ("error", "critical")]
    asked = [row["request"] for row in world.operations() if row["phase"] == "requested"]
    assert {body["drill"] for body in asked} == {"kill-switch", "sprite-outage", "ambiguous-retry-guard", "all"}
    assert {body.get("fleet") for body in asked} == {"sandbox", "live", None}
    assert {entry["requestedBy"] for entry in world.document("drills/promotion.v1.json")["drills"]} == {"ann"}
    assert world.file("registry.v1.json").read_bytes() == registry


async def test_the_sprite_service_answers_every_case_as_its_document_says(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path / "repo")
    loop.append("loop_start", "iteration_start")
    async with sprite(loop.repo) as running:
        flags = ["--max-examples", "120", "-H", f"X-Ops-Token: {TOKEN}", "--exclude-checks", "unsupported_method"]
        count = await cases_of(running.url, "/openapi.json", TOKEN, _SPRITE, tmp_path, *flags)
        assert count >= _SPRITE_CASES

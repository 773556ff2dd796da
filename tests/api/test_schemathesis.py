"""Both services under schemathesis: whatever their documents allow or forbid is tried, and every answer is checked.

Every check of schemathesis is on, but for the sprite service's answer to unknown methods, which the contract fixes as
501 (30, 6.1). What the configuration allows beyond the defaults are documented answers: 422 for a key that was used for
another request, 413 for a body over the limit, and the sprite service's 5xx for a runtime that is not there.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld
from tests.daemon.support import TOKEN, LiveLoop, sprite

_COMMON = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""
#: A look for an effect lasts as long as it is told to; its own tests try the other values.
_DAEMON = """
[parameters]
"path.loop" = "alpha"
"query.timeoutSeconds" = 0
"""
_SPRITE = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "500", "501", "502", "503"]
"""
#: Cases of each service; together more than 5,000.
_CASES = 2600
#: The same cases in every run, so that a change is judged by itself; another seed tries others.
_SEED = os.environ.get("OPSD_TEST_SCHEMATHESIS_SEED", "20261126")


async def cases_of(url: str, document: str, token: str, config: str, folder: Path, *flags: str) -> int:
    """How many cases were tried without any failure."""
    file = folder / "schemathesis.toml"
    file.write_text(config)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(file),
        "run",
        url + document,
        "--url",
        url,
    ]
    command += ["-H", f"Authorization: Bearer {token}", "--checks", "all", "--workers", "1", "--no-color"]
    command += [
        "--seed",
        _SEED,
        "--continue-on-failure",
        "--generation-database",
        "none",
        "--request-timeout",
        "20",
        *flags,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output[-20000:]
    found = re.search(r"(\d+) generated", output)
    assert found is not None, output[-2000:]
    return int(found[1])


async def test_the_daemon_answers_every_case_as_its_document_says(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.runtime.write_text("#!/bin/sh\nexit 3\n")
    token = world.principal("ann", Scope.ADMIN)
    limits = ["--http-wrong-tokens", "1000000", "--http-max-body-bytes", "8000000", "--http-max-header-bytes", "65536"]
    async with world.running(*limits) as running:
        flags = ["--exclude-path", "/api/v1/stream", "--max-examples", "60"]
        flags += ["--exclude-path", "/api/v1/drills"]  # each takes many seconds: tests/api/test_steps.py
        count = await cases_of(running.url, "/api/v1/openapi.json", token, _COMMON + _DAEMON, tmp_path, *flags)
        assert count >= _CASES
        assert running.process.poll() is None
        assert not [line for line in running.log if line["level"] in ("error", "critical")]


async def test_the_sprite_service_answers_every_case_as_its_document_says(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path / "repo")
    loop.append("loop_start", "iteration_start")
    async with sprite(loop.repo) as running:
        flags = ["--exclude-path", "/ops/events/stream", "--max-examples", "400", "-H", f"X-Ops-Token: {TOKEN}"]
        flags += ["--exclude-checks", "unsupported_method"]
        count = await cases_of(running.url, "/openapi.json", TOKEN, _COMMON + _SPRITE, tmp_path, *flags)
        assert count >= _CASES

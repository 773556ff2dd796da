"""``opsd ping`` and ``sprite-service --ping``: the health check, against the real services."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.cli.main import main
from tests.daemon.support import LiveLoop, daemon
from tests.ports import free_port
from tests.sprite_service.support import TOKEN, environment, make_repo, service


async def ask(*command: str, token: str | None = None) -> tuple[int, str, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        env={**environment(token), "OPSD_CONFIG": os.devnull},
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_a_daemon_that_is_ready_and_one_that_has_gone(tmp_path: Path) -> None:
    LiveLoop(tmp_path / "repo")
    port = str(free_port())
    async with daemon(tmp_path / "repo", "--http-port", port) as running:
        assert await ask("opsd", "ping", "--http-port", port) == (0, "", "")
        running.stop()
        code, out, err = await ask("opsd", "ping", "--http-port", port)
    assert (code, out) == (1, "")
    assert err == f"error: 127.0.0.1:{port} does not answer: Connection refused\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--http-port", "0"], "http.port 0 takes any free port: which one it is cannot be known here"),
        (["--timeout", "0"], "--timeout must be a number of seconds above 0, at most 3600"),
        (["--timeout", "nan"], "--timeout must be a number of seconds above 0, at most 3600"),
    ],
)
def test_what_it_cannot_use_is_told(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ping", *flags]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


async def test_a_sprite_service_is_asked_with_the_options_that_it_runs_with(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    make_repo(repo)
    async with service(repo, "--port", str(free_port())) as running:
        options = ["--repo", str(repo), "--port", str(running.port), "--host", "127.0.0.1", "--ping"]
        assert await ask("sprite_service", *options, token=TOKEN) == (0, "", "")
        code, _, err = await ask("sprite_service", *options, token="another")
        assert (code, err) == (1, f"127.0.0.1:{running.port} answers 401: it asks for a token that it knows\n")
    code, _, err = await ask("sprite_service", *options, token=TOKEN)
    assert (code, err) == (1, f"127.0.0.1:{running.port} does not answer: Connection refused\n")

"""Readiness and the watchdog over a real ``$NOTIFY_SOCKET``, and a real Prometheus that scrapes a real daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
from pathlib import Path

import aiohttp
import pytest

from tests.daemon.support import PATIENCE_S, LiveLoop, daemon
from tests.ports import free_port


class Listener:
    """The service manager's end of the socket."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    async def until(self, start: str) -> str:
        """The next message that starts so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()
                if message.startswith(start):
                    return message

    def close(self) -> None:
        self._socket.close()


async def test_the_service_manager_hears_of_start_life_reload_and_end(tmp_path: Path) -> None:
    LiveLoop(tmp_path / "repo")
    listener = Listener(tmp_path)
    # The socket holds ten messages, and what does not fit is lost: seconds of them, for a test that is held up.
    env = {"NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "1500000"}
    try:
        async with daemon(tmp_path / "repo", env=env) as running:
            assert await listener.until("READY=1") == "READY=1\nSTATUS=supervising 1 loops"
            for _ in range(2):
                await listener.until("WATCHDOG=1")
            running.process.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in await listener.until("RELOADING=1")
            await listener.until("READY=1")
            running.process.terminate()
            await listener.until("STOPPING=1")
            assert await asyncio.to_thread(running.process.wait, PATIENCE_S) == 0
    finally:
        listener.close()


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        assert os.environ.get("CI") != "true", f"{name} is missing: install Debian's package prometheus"
        pytest.skip(f"{name} is missing: install Debian's package prometheus")
    return found


async def test_a_real_prometheus_answers_a_query_about_a_loops_health_until_the_loop_goes(tmp_path: Path) -> None:
    binary = _tool("prometheus")
    repo = tmp_path / "repo"
    loop = LiveLoop(repo, "alpha")
    loop.append("iteration_start")
    async with daemon(repo) as running:
        await running.until_state("alpha", "running", 1)
        target = running.url.removeprefix("http://")
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs: [{{job_name: opsd, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        port = free_port()
        command = [binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            query = urllib.parse.quote('opsd_loop_health{job="opsd"} == 1')
            url = f"http://127.0.0.1:{port}/api/v1/query?query={query}"

            async def answer() -> dict[str, str] | None:
                try:
                    async with aiohttp.ClientSession() as session, session.get(url) as response:
                        rows = (await response.json())["data"]["result"]
                except (aiohttp.ClientError, ValueError, KeyError):
                    return {"loop": "not up yet"}
                return {key: rows[0]["metric"][key] for key in ("loop", "status")} if rows else None

            async def healthy() -> bool:
                return await answer() == {"loop": "alpha", "status": "healthy"}

            async def gone() -> bool:
                return await answer() is None

            await running.until(healthy)
            shutil.rmtree(repo / ".superloop" / "loops" / "alpha")
            await running.until(gone)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, PATIENCE_S)


async def test_promtool_finds_nothing_to_mend_in_the_daemons_metrics(tmp_path: Path) -> None:
    binary = _tool("promtool")
    LiveLoop(tmp_path / "repo", "alpha").append("iteration_start")
    async with daemon(tmp_path / "repo") as running:
        await running.until_state("alpha", "running", 1)
        async with running.session.get("/metrics") as response:
            page = await response.text()
    done = subprocess.run([binary, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

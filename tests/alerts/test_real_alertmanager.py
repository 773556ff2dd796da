"""A real Alertmanager shows our alert firing and then resolved, through its own API (contract 50, R17 and R8)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.alerts.timeline import Timeline, wall
from tests.ports import free_port

_NAMES = ("prometheus-alertmanager", "alertmanager")
_PATIENCE_S = 60.0


class Alertmanager:
    """One that runs, and what it says of its alerts."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session

    async def alerts(self) -> list[Any]:
        """The alerts that are firing."""
        async with self._session.get(f"{self.url}/api/v2/alerts", params={"active": "true"}) as response:
            found: list[Any] = await response.json()
            return found

    async def until(self, count: int) -> list[Any]:
        """Wait until so many alerts are firing."""
        async with asyncio.timeout(_PATIENCE_S):
            while len(found := await self.alerts()) != count:
                await asyncio.sleep(0.02)
        return found

    async def is_ready(self) -> bool:
        """It answers."""
        try:
            async with self._session.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    if binary is None:
        assert os.environ.get("CI") != "true", "alertmanager is missing: install Debian's prometheus-alertmanager"
        pytest.skip("alertmanager is missing: install Debian's package prometheus-alertmanager")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    address = f"127.0.0.1:{free_port()}"
    storage = tmp_path / "alertmanager"
    flags = [f"--config.file={config}", f"--storage.path={storage}", f"--web.listen-address={address}"]
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([binary, *flags, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as session:
            found = Alertmanager(f"http://{address}", session)
            async with asyncio.timeout(_PATIENCE_S):
                while not await found.is_ready():
                    assert process.poll() is None, (tmp_path / "alertmanager.log").read_text()
                    await asyncio.sleep(0.02)
            yield found
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, _PATIENCE_S)


async def test_a_real_alertmanager_shows_an_alert_firing_and_then_resolved(
    line: Timeline, alertmanager: Alertmanager
) -> None:
    line.sinks["manager"] = {
        "enabled": True,
        "type": "alertmanager",
        "urlEnv": "MANAGER",
        "labels": {"team": "ops"},
        "generatorUrl": "https://runbooks.example/opsd",
    }
    line.env["MANAGER"] = alertmanager.url
    began = wall(-60)
    line.at(0, lambda: line.write_row("health_critical", timestamp=began, reasonCodes=["transport_unreachable"]))
    line.dispatch(at=0)
    await line.play_only()
    assert line.telemetry[0]["status"] == "dispatched", line.telemetry[0]["sinks"]

    (alert,) = await alertmanager.until(1)
    assert alert["labels"] == {
        "alertname": "health_critical",
        "loop_id": "demo",
        "severity": "info",
        "source": "superloop-ops-manager",
        "team": "ops",
    }
    assert alert["status"]["state"] == "active"
    assert alert["startsAt"][:19] == began[:19]
    assert alert["endsAt"][:19] > wall(60)[:19]
    assert alert["annotations"]["reason_codes"] == "transport_unreachable"
    assert alert["generatorURL"] == "https://runbooks.example/opsd"

    line.document("health.json", {"status": "healthy", "updatedAt": wall()})
    line.dispatch()
    await line.play_only()
    assert line.telemetry[-1]["deliveryKind"] == "resolve"
    assert line.telemetry[-1]["status"] == "dispatched"
    assert await alertmanager.until(0) == [], "ended by our word: the end that it was told before lies minutes ahead"

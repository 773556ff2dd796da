"""A long-lived run over real files, with a sender that a test answers for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsd.alerts.model import HttpAnswer, SinkRequest
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.drive import Drive
from opsd.alerts.run.reporting import report_late
from opsd.compose_alerts import AlertOptions, dispatch_run
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from tests.alerts.catalogs import document, entry

LOOP = LoopId("demo")
OK = HttpAnswer(status=200)


class Sender:
    """Each request waits until the test answers it."""

    def __init__(self) -> None:
        self.open: list[tuple[str, str, asyncio.Future[HttpAnswer]]] = []
        self.sent: list[tuple[str, str]] = []

    async def send(self, request: SinkRequest, timeout_s: float) -> HttpAnswer:
        sink, action = request.url.rpartition("/")[2], json.loads(request.body)["event"].get("action", "trigger")
        self.sent.append((sink, action))
        answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self.open.append((sink, action, answer))
        return await answer

    async def close(self) -> None:
        pass

    def answer(self, sink: str, answer: HttpAnswer = OK) -> None:
        """Answer what waits at a sink."""
        found = next(item for item in self.open if item[0] == sink)
        self.open.remove(found)
        found[2].set_result(answer)


class LongRun:
    """One loop with sinks ``a`` and ``b``, both told of everything."""

    def __init__(self, tmp_path: Path, *, settings: JsonObject | None = None, **options: Any) -> None:
        self.repo = tmp_path
        self.folder = tmp_path / ".superloop" / "ops-manager" / LOOP
        self.folder.mkdir(parents=True, exist_ok=True)
        names = ("a", "b")
        sinks = {name: entry(urlEnv=f"URL_{name.upper()}") for name in names}
        (tmp_path / "sinks.json").write_text(json.dumps(document(sinks, defaultSinks=[*names])))
        (tmp_path / "delivery.json").write_text(json.dumps({"schemaVersion": "v1", **(settings or {})}))
        self.env = {f"URL_{name.upper()}": f"http://127.0.0.1/{name}" for name in names}
        self.options = AlertOptions(
            config_file=str(tmp_path / "sinks.json"),
            delivery_file=str(tmp_path / "delivery.json"),
            long_lived=True,
            **options,
        )
        self.sender = Sender()

    def escalate(self, category: str = "health_critical", **fields: Any) -> None:
        """Append a row, a minute old."""
        row = {"timestamp": format_utc(time.time() - 60), "category": category, "traceId": "t-pass", **fields}
        with (self.folder / "escalations.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def recover(self) -> None:
        """The loop is healthy, as of now."""
        health = {"status": "healthy", "updatedAt": format_utc(time.time())}
        (self.folder / "health.json").write_text(json.dumps(health))

    def begin(self, **changes: Any) -> DispatchRun:
        """A run that has begun."""
        run, _warnings = dispatch_run(str(self.repo), LOOP, "t-run", self.options, self.env)
        run.means = replace(run.means, **changes)
        run.begin()
        return run

    def drive(self, run: DispatchRun) -> tuple[Drive, asyncio.Task[None]]:
        """Drive it in the background."""
        drive = Drive(run, self.sender)
        return drive, asyncio.create_task(drive.drive())

    def end(self, run: DispatchRun) -> JsonObject:
        report_late(run, all_of_them=True)
        return run.finish()

    def rows(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def until(condition: Callable[[], Any]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)

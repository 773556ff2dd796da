"""A receiver of alerts on loopback that does what a test wants, and the catalog that leads to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Told:
    """One request; ``at`` by the monotonic clock."""

    at: float
    path: str
    body: Any
    delivery_id: str | None

    @property
    def action(self) -> str:
        """``trigger`` or ``resolve``."""
        found: str = self.body["event"].get("action", "trigger")
        return found


@dataclass(slots=True)
class Receiver:
    """``status`` answers every path; requests to a path in ``hanging`` get no answer until it is taken out."""

    url: str = ""
    status: int = 200
    hanging: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)

    def of(self, path: str) -> list[Told]:
        """What came to one path."""
        return [one for one in self.told if one.path == path]

    async def answer(self, request: web.Request) -> web.Response:
        """Keep the request, then answer it."""
        body = json.loads(await request.read())
        self.told.append(Told(time.monotonic(), request.path, body, request.headers.get("Idempotency-Key")))
        while request.path in self.hanging:
            await asyncio.sleep(0.01)
        return web.Response(status=self.status, text="ok")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver, until the end of the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield receiver
    finally:
        receiver.hanging.clear()
        await runner.cleanup()


def write_catalog(path: Path, sinks: dict[str, dict[str, Any]]) -> None:
    """Webhook sinks by id; every category goes to all of them. The variable of sink ``a`` is ``HOOK_A``."""
    document = {
        "schemaVersion": "v1",
        "defaultMinSeverity": "info",
        "sinks": {
            name: {"enabled": True, "type": "webhook", "urlEnv": f"HOOK_{name.upper()}", **settings}
            for name, settings in sinks.items()
        },
        "routing": {"defaultSinks": list(sinks), "categorySeverity": {}, "routes": []},
    }
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)

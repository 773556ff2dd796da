"""A no-op pass over HTTP against its two bare GETs and the bare writes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import uvloop

from bench.measure import Figure, cpu_s, paired
from bench.processes import TOKEN, sprite_service
from bench.reconcile import bare_writes, daemon_settings, write_bare
from opsd.compose import loop_store
from opsd.contract.ids import parse_loop_id
from opsd.contract.reasons import TransportKind
from opsd.demo.replay import Player, load_recording
from opsd.loop.reconcile import Reconciler
from opsd.transport.http_client import ServiceClient
from opsd.transport.sprite_service import SpriteServiceTransport

_PASSES = 200


def noop_remote() -> Iterator[Figure]:
    """CPU of this process per no-op pass, client side only."""
    with tempfile.TemporaryDirectory() as name:
        repo, manager = Path(name) / "vm", Path(name) / "manager"
        recording = load_recording("long_run")
        Player(repo, recording, duration_s=0.0, started_at=1795521600).play(lambda _seconds: False)
        loop_id = parse_loop_id(recording.loop_id)
        store = loop_store(str(manager), loop_id)
        settings = daemon_settings(manager, loop_id, TransportKind.SPRITE_SERVICE, store)
        reconciler = Reconciler(store, settings)
        with (
            sprite_service(repo) as (_process, url),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ThreadPoolExecutor(1) as threads,
        ):
            client = ServiceClient()
            transport = SpriteServiceTransport(client, base_url=url, loop_id=loop_id, token=TOKEN)

            async def passes(count: int) -> None:
                loop = asyncio.get_running_loop()
                for _ in range(count):
                    outcome = await reconciler.run_async(
                        transport, "0" * 36, lambda work, *rest: loop.run_in_executor(threads, work, *rest)
                    )
                    assert outcome.failure is None

            runner.run(passes(2))
            documents, rows = bare_writes(manager)
            headers = {"Authorization": f"Bearer {TOKEN}", "X-Ops-Token": TOKEN, "X-Trace-Id": "0" * 36}
            urls = (
                f"{url}/ops/snapshot?loopId={loop_id}",
                f"{url}/ops/events?loopId={loop_id}&cursor={len(recording.lines)}&maxEvents=0",
            )

            async def bare_passes() -> None:
                async with aiohttp.ClientSession(headers=headers) as session:
                    for _ in range(_PASSES):
                        for address in urls:
                            async with session.get(address) as answer:
                                await answer.read()
                        write_bare(documents, rows)

            mine, theirs, ratio = paired(
                lambda: runner.run(passes(_PASSES)), lambda: runner.run(bare_passes()), clock=cpu_s
            )
            runner.run(client.close())
        yield Figure(
            "CPU of a no-op reconcile (HTTP) against two bare GETs + writes",
            ratio,
            "<= 2",
            f"{mine / _PASSES * 1e6:.0f} us against {theirs / _PASSES * 1e6:.0f} us",
        )

"""Catalogs are taken in again on SIGHUP, and the status that the daemon shows survives a damaged file."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from opsd.loop.thresholds import EMBEDDED_CATALOG
from tests.daemon.support import Daemon, LiveLoop, daemon


async def reloaded(running: Daemon, result: str, count: int) -> None:
    running.process.send_signal(signal.SIGHUP)

    async def done() -> bool:
        return (await running.metrics())[f'opsd_config_reloads_total{{result="{result}"}}'] == count

    await running.until(done)


async def test_a_threshold_catalog_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    manager, catalog = tmp_path / "manager", tmp_path / "catalog.json"
    loop = LiveLoop(manager)
    catalog.write_text(json.dumps(EMBEDDED_CATALOG))
    flags = ("--thresholds-profiles-file", str(catalog), "--reconcile-resync-seconds", "60")
    async with daemon(manager, *flags) as running:
        await running.until_state("demo", "running", 0)
        changed = json.loads(catalog.read_text())
        changed["profiles"]["balanced"]["degradedIngestLagSeconds"] = 301
        catalog.write_text(json.dumps(changed))
        await reloaded(running, "success", 1)
        async with running.session.post("/api/v1/loops/demo/reconcile", json={"wait": True}) as response:
            assert response.status == 200  # a pass that has begun behind the reload
        health = manager / ".superloop" / "ops-manager" / "demo" / "health.json"
        assert json.loads(health.read_text())["thresholds"]["degradedIngestLagSeconds"] == 301
        loop.append("iteration_start")
        await running.until_state("demo", "running", 1)
        passes = manager / ".superloop" / "ops-manager" / "demo" / "telemetry" / "reconcile.jsonl"
        assert len(passes.read_text().splitlines()) < 10, "a reload costs a loop one pass, not an endless row of them"
        for number, (content, said) in enumerate(
            (
                ("{", "invalid threshold profiles file"),
                (json.dumps(changed | {"defaultProfile": "nope"}), "unknown threshold profile: nope"),
                (json.dumps(changed | {"profiles": {"balanced": {}}}), "threshold profile values are invalid"),
            ),
            start=1,
        ):
            catalog.write_text(content)
            await reloaded(running, "failure", number)
            assert said in running.logged("config.refused")[-1]["message"]
        loop.append("iteration_end")
        await running.until_state("demo", "running", 2)
        assert json.loads(health.read_text())["thresholds"]["degradedIngestLagSeconds"] == 301


async def test_the_status_names_a_damaged_file_and_tells_the_rest(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path)
    loop.append("iteration_start")
    async with daemon(tmp_path, "--reconcile-resync-seconds", "60") as running:
        await running.until_state("demo", "running", 1)
        damaged = tmp_path / ".superloop" / "ops-manager" / "demo" / "profile-drift.json"

        async def names_it_and_tells_the_rest() -> bool:
            damaged.write_text("")  # again, where a pass that was under way has mended it meanwhile
            code, answer = await running.json("/v1/loops/demo/status")
            status = answer["status"]
            assert (code, status["lifecycle"]["state"]) == (200, "running")
            of_one_pass = status["traceLinkage"]["reconcileTraceId"] == status["health"]["traceId"]
            return of_one_pass and status.get("problems") == [f"invalid drift JSON: {damaged}"]

        await running.until(names_it_and_tells_the_rest)


async def test_any_status_of_a_control_is_one_of_few_in_the_metrics(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path)
    intents = tmp_path / ".superloop" / "ops-manager" / "demo" / "intents.jsonl"
    intents.parent.mkdir(parents=True)
    async with daemon(tmp_path, "--reconcile-resync-seconds", "60") as running:
        for status, shown in (("confirmed", "confirmed"), ("a\nb" * 9999, "other")):
            intents.write_text(json.dumps({"status": status}) + "\n")
            loop.append("iteration_start")

            async def only_that_one(expected: str = f'opsd_loop_last_control{{loop="demo",status="{shown}"}}') -> bool:
                found = [name for name in await running.metrics() if name.startswith("opsd_loop_last_control{")]
                return found == [expected]

            # A pass that runs already may have read the control log before the line, and the journal behind it.
            await running.until(only_that_one)

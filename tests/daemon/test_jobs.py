"""Promotion gates, promotion controller and Horizon bridge in a real daemon, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.daemon.fleet_world import FLAGS, FleetWorld
from tests.daemon.support import Daemon, daemon
from tests.horizon.factories import envelope

QUICK = ["--promotion-interval-seconds", "0.3"]


async def test_the_gates_are_evaluated_where_there_is_a_fleet_and_nothing_else_runs(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.permit()
    async with daemon(world.repo, *FLAGS, *QUICK) as opsd:
        await opsd.until(lambda: _ran(opsd, "promotion-gates"))
        metrics = await opsd.metrics()
        assert await opsd.ended() == 0
    assert metrics['opsd_promotion_decision{decision="hold"}'] == 1
    assert metrics['opsd_promotion_gate{gate="governance",outcome="pass"}'] == 1
    assert metrics['opsd_promotion_gate{gate="drill_recency",outcome="no_evidence"}'] == 1
    assert metrics['opsd_promotion_drill_passed{drill="kill_switch"}'] == 0
    assert metrics['opsd_job_runs_total{name="promotion-controller",result="success"}'] == 0
    assert world.document("promotion-state.json")["summary"]["decision"] == "hold"
    assert not world.file("promotion-controller-state.json").exists()
    assert not world.file("horizon-bridge-state.json").exists()
    assert len(opsd.logged("promotion.decided")) == 1


async def test_controller_and_bridge_work_when_they_are_configured(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.permit()
    registry = world.file("registry.v1.json").read_bytes()
    outbox = world.repo / ".superloop" / "horizons" / "outbox" / "inbox"
    outbox.mkdir(parents=True)
    (outbox / "one.jsonl").write_text(json.dumps(envelope()) + "\n")
    flags = ["--controller-mode", "propose_only", "--controller-interval-seconds", "0.3"]
    flags += ["--horizon-enabled", "true", "--horizon-interval-seconds", "0.3"]
    async with daemon(world.repo, *FLAGS, *QUICK, *flags) as opsd:
        for job in ("promotion-controller", "horizon-bridge"):
            await opsd.until(lambda job=job: _ran(opsd, job))  # type: ignore[misc]
        metrics = await opsd.metrics()
        assert await opsd.ended() == 0
    assert metrics['opsd_promotion_controller_passes_total{status="proposed"}'] >= 1
    assert metrics["opsd_horizon_pending_intents"] == 1
    assert metrics["opsd_horizon_envelopes_queued_total"] == 1
    assert world.document("promotion-controller-state.json")["status"] == "proposed"
    assert world.file("registry.v1.json").read_bytes() == registry


async def test_a_job_that_fails_is_told_once_and_hinders_nobody(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.permit()
    world.file("promotion-controller-state.json").write_text("no json")
    flags = ["--controller-mode", "propose_only", "--controller-interval-seconds", "0.2"]
    async with daemon(world.repo, *FLAGS, *QUICK, *flags) as opsd:

        async def failed_twice() -> bool:
            return (await opsd.metrics())['opsd_job_runs_total{name="promotion-controller",result="failure"}'] >= 2

        await opsd.until(failed_twice)
        await opsd.until(lambda: _ran(opsd, "promotion-gates"))
        code, _ = await opsd.json("/readyz")
    (told,) = opsd.logged("job.failed")
    assert (told["job"], code) == ("promotion-controller", 200)
    assert "invalid prior controller state JSON" in told["message"]


async def _ran(found: Daemon, job: str) -> bool:
    return (await found.metrics())[f'opsd_job_runs_total{{name="{job}",result="success"}}'] >= 1

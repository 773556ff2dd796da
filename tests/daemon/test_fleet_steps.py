"""The fleet's steps in a real daemon, over real files, with a simulated runtime."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path

from tests.daemon.fleet_world import FLAGS, GOVERNANCE, FleetWorld, until_runs
from tests.daemon.support import Daemon, LiveLoop, daemon, whole_lines, write_registry


async def test_a_run_whose_process_died_is_cancelled_within_the_rails(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.crash("export")
    world.permit()
    async with daemon(world.repo, *FLAGS, env=world.env) as opsd:
        await opsd.until(lambda: _logged(opsd, "autonomy.dispatched"))
        await until_runs(opsd)
        metrics = await opsd.metrics()
        _, status = await opsd.json("/v1/fleet/status")
        _, policy = await opsd.json("/v1/fleet/policy")
        _, handoff = await opsd.json("/v1/fleet/handoff")
        assert await opsd.ended() == 0
    (told,) = opsd.logged("autonomy.dispatched")
    assert (told["loop"], told["status"], told["reason"]) == ("export", "executed", "control_confirmed")
    assert [call.split()[0] for call in world.calls] == ["cancel"]
    attempt, outcome = world.rows("handoff-attempts.jsonl")
    assert (attempt["requestedBy"], attempt["loopId"], outcome["status"]) == ("opsd", "export", "executed")
    assert metrics['opsd_fleet_autonomous_dispatches_total{outcome="executed"}'] == 1
    assert metrics['opsd_fleet_policy_mode{mode="guarded_auto"}'] == 1
    assert metrics["opsd_fleet_kill_switch"] == 0
    assert metrics["opsd_fleet_governance_days_left"] > 365
    assert status["status"]["fleet"]["loopCount"] == 1
    assert policy["policy"]["mode"] == handoff["handoff"]["mode"] == "guarded_auto"


async def test_the_rollup_is_made_of_the_daemons_own_passes(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.crash("export")
    world.permit(safety={"killSwitch": True})
    telemetry = world.repo / ".superloop/ops-manager/export/telemetry/reconcile.jsonl"
    async with daemon(world.repo, *FLAGS, "--reconcile-resync-seconds", "3600") as opsd:
        await until_runs(opsd, 5)

        async def all_is_told() -> bool:
            (result,) = world.document("state.json")["results"]
            last = ("latest_pass", (await opsd.view("export"))["traceId"])
            counted = (await opsd.metrics())['opsd_reconciles_total{result="success"}']
            return (result["passSource"], result["traceId"]) == last and counted == len(whole_lines(telemetry))

        await opsd.until(all_is_told)
    assert len(whole_lines(telemetry)) < 4


async def test_the_kill_switch_set_between_plan_and_dispatch_stops_the_next_dispatch(tmp_path: Path) -> None:
    """Two loops are let go; the runtime itself, called for the first, puts the kill switch on disk."""
    world = FleetWorld(tmp_path / "repo", "a-first", "b-second")
    for name in world.loops:
        world.critical(name)
    world.permit(safety={"maxActionsPerRun": 2, "cooldownSeconds": 0})
    registry = world.file("registry.v1.json")
    killed = registry.with_suffix(".killed")
    document = json.loads(registry.read_text())
    document["policy"]["autonomous"]["safety"]["killSwitch"] = True
    killed.write_text(json.dumps(document))
    world.before_call.write_text(f"#!/bin/sh\nmv {killed} {registry} 2>/dev/null || true\n")
    world.before_call.chmod(0o755)
    async with daemon(world.repo, *FLAGS, "--fleet-confirm-timeout-seconds", "0", env=world.env) as opsd:
        await opsd.until(lambda: _logged(opsd, "autonomy.withheld"))
        await until_runs(opsd, 3)
        metrics = await opsd.metrics()
    assert len(world.calls) == 1
    (withheld,) = opsd.logged("autonomy.withheld")
    assert (withheld["loop"], withheld["reasons"]) == ("b-second", ["autonomous_kill_switch_enabled"])
    assert metrics["opsd_fleet_kill_switch"] == 1
    assert metrics['opsd_fleet_autonomous_dispatches_total{outcome="withheld"}'] == 1


async def test_a_command_by_hand_waits_for_the_daemon_and_the_daemon_for_it(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.crash("export")
    world.permit(safety={"killSwitch": True})
    async with daemon(world.repo, *FLAGS, "--fleet-lock-wait-seconds", "0") as opsd:
        await until_runs(opsd)
        with world.file(".lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            before = world.file("state.json").read_bytes()
            await opsd.until(lambda: _logged(opsd, "fleet_run.failed"))
            assert world.file("state.json").read_bytes() == before
            refused = await asyncio.to_thread(world.opsd, "fleet", "policy", "--lock-wait-seconds", "0")
            assert (refused.returncode, "another process works on this fleet" in refused.stderr) == (1, True)
        assert (await asyncio.to_thread(world.opsd, "fleet", "policy")).returncode == 0
        await until_runs(opsd)
        metrics = await opsd.metrics()
    assert opsd.logged("fleet_run.failed")[0]["step"] == "lock"
    assert metrics['opsd_fleet_step_failures_total{step="lock"}'] >= 1
    assert metrics['opsd_fleet_step_last_success_timestamp_seconds{step="reconcile"}'] > 0


async def test_an_expired_review_stops_autonomy_and_never_observation(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    world.crash("export")
    world.permit(governance={**GOVERNANCE, "changedAt": "2025-01-01T00:00:00Z", "reviewBy": "2025-02-01T00:00:00Z"})
    async with daemon(world.repo, *FLAGS, env=world.env) as opsd:

        async def held_back() -> bool:
            held = 'opsd_fleet_autonomy_reasons{reason="autonomous_governance_review_expired"}'
            return (await opsd.metrics()).get(held) == 1

        await opsd.until(held_back)
        await until_runs(opsd)
        metrics = await opsd.metrics()
        code, status = await opsd.json("/v1/fleet/status")
    assert world.calls == []
    assert metrics["opsd_fleet_governance_days_left"] < 0
    assert (code, status["status"]["autonomous"]["governance"]["posture"]) == (200, "review_expired")


async def test_a_registry_that_breaks_leaves_observation_and_ends_proposals(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo", "export")
    run = LiveLoop(world.repo, "export")
    run.append("loop_start")
    world.permit()
    async with daemon(world.repo, *FLAGS, env=world.env) as opsd:
        await until_runs(opsd)
        write_registry(world.repo, {"loopId": "../export"})
        run.complete()
        await opsd.until(lambda: _logged(opsd, "fleet_run.failed"))

        async def seen() -> bool:
            return bool(world.document("state.json")["results"][0]["transitionState"] == "complete")

        await opsd.until(seen)
    assert world.calls == []
    assert opsd.logged("fleet_run.failed")[0]["step"] == "registry"


async def test_without_a_registry_the_steps_have_nothing_to_do(tmp_path: Path) -> None:
    world = FleetWorld(tmp_path / "repo")
    world.crash("export")
    async with daemon(world.repo, *FLAGS) as opsd:
        await until_runs(opsd)
        code, body = await opsd.json("/v1/fleet/policy")
    assert (code, body["error"]["code"]) == (404, "not_found")
    assert not world.file(".lock").exists()


async def _logged(found: Daemon, event: str) -> bool:
    return bool(found.logged(event))

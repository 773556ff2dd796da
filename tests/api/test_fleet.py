"""The fleet over the control API: documents, plans, execution with confirmation, and the levers."""

from __future__ import annotations

import json
from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld
from tests.daemon.fleet_world import until_runs


async def test_pausing_changes_one_switch_and_keeps_what_nobody_here_knows(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY)
    before = world.registry()
    before["x-owner"] = {"team": "night"}
    world.file("registry.v1.json").write_text(json.dumps(before, indent=4))
    async with world.running() as running:
        client = world.client(running, "ann")
        status, body = await client.post("/fleet/pause", {"note": "storm"})
        assert status == 200, body
        assert (body["lever"]["before"], body["lever"]["after"], body["lever"]["changed"]) == (False, True, True)
        paused = world.registry()
        assert paused["policy"]["autonomous"].pop("rollout") == {"pause": {"manual": True}}
        before["policy"]["autonomous"].pop("rollout", None)
        assert paused == before
        assert world.file("registry.v1.json").read_text().startswith('{\n    "schemaVersion"')
        again = (await client.post("/fleet/pause"))[1]
        assert again["lever"]["changed"] is False
        assert (await client.post("/fleet/resume"))[1]["lever"]["after"] is False
        assert (await client.post("/fleet/kill-switch", {"engaged": True}))[0] == 200
        assert world.registry()["policy"]["autonomous"]["safety"] == {"killSwitch": True}
    rows = world.operations()
    assert [row["action"] for row in rows if row["phase"] == "requested"] == [
        "pauseFleet",
        "pauseFleet",
        "resumeFleet",
        "setKillSwitch",
    ]
    assert {row["principal"] for row in rows} == {"ann"}
    assert rows[0]["request"] == {"note": "storm"}
    verified = world.opsd("audit", "verify")
    assert verified.returncode == 0, verified.stdout


async def test_a_registry_that_cannot_be_used_still_can_be_stopped_but_not_let_go(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY)
    async with world.running() as running:
        client = world.client(running, "ann")
        damaged = world.registry()
        damaged["loops"][0]["transport"] = "carrier-pigeon"
        world.file("registry.v1.json").write_text(json.dumps(damaged))
        assert (await client.post("/fleet/kill-switch", {"engaged": True}))[0] == 200
        status, body = await client.post("/fleet/kill-switch", {"engaged": False})
        assert (status, body["error"]["code"]) == (409, "registry_unusable")
        assert world.registry()["policy"]["autonomous"]["safety"]["killSwitch"] is True


async def test_a_plan_is_made_and_only_what_was_selected_and_confirmed_is_carried_out(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.CONTROL, Scope.POLICY)
    world.permit()
    for name in world.loops:
        world.critical_journal(name)
    async with world.running("--fleet-interval-seconds", "0.2", "--fleet-autonomous", "false") as running:
        client = world.client(running, "ann")
        await until_runs(running)
        status, policy = await client.post("/fleet/policy")
        assert status == 200, policy
        _, found = await client.get("/fleet/candidates?loop=alpha")
        assert {one["loopId"] for one in found["candidates"]} == {"alpha"}
        name = found["candidates"][0]["candidateId"]
        _, explained = await client.get("/fleet/explain", params={"candidate": name})
        assert explained["explanation"]["candidates"][0]["candidateId"] == name
        status, plan = await client.post("/fleet/handoff/plan")
        assert status == 200, plan
        assert world.calls == []
        for body in ({}, {"confirm": False, "loops": ["alpha"]}):
            assert (await client.post("/fleet/handoff/execute", body))[1]["error"]["code"] == "invalid_request"
        assert (await client.post("/fleet/handoff/execute", {"confirm": True}))[0] == 409
        order = {"confirm": True, "loops": ["alpha"], "runtimeConfirm": False}
        status, done = await client.post("/fleet/handoff/execute", order, key="once")
        assert status == 200, done
        results = done["handoff"]["execution"]["results"]
        assert {result["loopId"] for result in results} == {"alpha"}
        calls = len(world.calls)
        assert (await client.post("/fleet/handoff/execute", order, key="once"))[1]["replayed"] is True
        assert len(world.calls) == calls
        assert (await client.get("/fleet/status"))[1]["status"]["schemaVersion"] == "v1"
        assert (await client.get("/promotion"))[1]["promotion"] == {"decision": None, "apply": None, "controller": None}


async def test_what_is_not_there_yet_is_not_found(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        client = world.client(running)
        for path in (
            "/fleet/policy",
            "/fleet/handoff",
            "/fleet/status",
            "/fleet/candidates",
            "/fleet/explain?candidate=x",
        ):
            status, body = await client.get(path)
            assert (status, body["error"]["code"]) == (404, "not_found"), path

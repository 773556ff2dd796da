"""The fleet over the control API: documents, plans, execution with confirmation, and the levers."""

from __future__ import annotations

import json
from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld
from tests.cli.process import opsd
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


async def test_a_registry_that_is_no_json_is_an_error_of_the_registry_everywhere(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL, Scope.POLICY)
    async with world.running() as running:
        client = world.client(running, "ann")
        assert (await client.post("/fleet/reconcile"))[0] == 200
        world.file("registry.v1.json").write_text("{")
        answers = [await client.get(path) for path in ("/fleet/status", "/fleet/registry")]
        answers += [await client.post(path) for path in ("/fleet/policy", "/fleet/reconcile", "/fleet/pause")]
        assert {(status, body["error"]["code"]) for status, body in answers} == {(409, "registry_unusable")}
        world.file("registry.v1.json").unlink()
        status, body = await client.post("/fleet/pause")
        assert (status, body["error"]["code"]) == (409, "registry_unusable")


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


async def test_what_autonomy_may_do_is_done_on_request_and_only_where_this_host_may(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.CONTROL, Scope.POLICY)
    world.critical_journal("alpha")
    async with world.running("--fleet-enabled", "false") as running:
        ann = world.client(running, "ann")
        assert (await ann.post("/fleet/reconcile"))[0] == 200
        assert (await ann.post("/fleet/policy", {"autopauseSkipEmpty": True, "lockWaitSeconds": 1}))[0] == 200
        status, body = await ann.post("/fleet/handoff/dispatch", {"loops": ["beta"]})
        assert (status, body["error"]["code"]) == (409, "conflict")
        order = {"runtimeConfirm": False, "note": "night", "idempotencyPrefix": "mine"}
        status, body = await ann.post("/fleet/handoff/dispatch", order, key="once")
        assert status == 200, body
        execution = body["handoff"]["execution"]
        assert (execution["mode"], execution["requestedBy"]) == ("autonomous", "ann")
        assert [result["loopId"] for result in execution["results"]] == ["alpha"]
        assert all(result["idempotencyKey"].startswith("mine-") for result in execution["results"])
        calls = len(world.calls)
        assert (await ann.post("/fleet/handoff/dispatch", order, key="once"))[1]["replayed"] is True
        assert len(world.calls) == calls == 1
        assert (await ann.post("/fleet/kill-switch", {"engaged": True}))[0] == 200
        status, body = await ann.post("/fleet/handoff/dispatch", {"runtimeConfirm": False})
        assert (status, body["handoff"]["execution"]["results"]) == (200, [])
    assert len(world.calls) == 1
    other = ApiWorld(tmp_path / "other", "alpha")
    other.principal("ann", Scope.ADMIN)
    async with other.running("--fleet-autonomous", "false") as running:
        status, body = await other.client(running, "ann").post("/fleet/handoff/dispatch")
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert "this host only proposes" in body["error"]["message"]


async def test_what_ended_unclearly_is_carried_out_anew_with_keys_of_its_own(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    world.critical_journal("alpha")
    world.runtime.write_text("#!/bin/sh\nexit 3\n")
    async with world.running() as running:
        ann = world.client(running, "ann")
        assert (await ann.post("/fleet/reconcile"))[0] == 200
        world.opsd("fleet", "policy")
        order = {"confirm": True, "everything": True, "runtimeConfirm": False}

        async def keys(**more: object) -> list[str]:
            status, body = await ann.post("/fleet/handoff/execute", {**order, **more})
            assert status == 200, body
            return [result["idempotencyKey"] for result in body["handoff"]["execution"]["results"]]

        first = await keys()
        assert first
        assert await keys() == first
        assert not set(await keys(anew=True)) & set(first)
        assert len(set(await keys(anew=True)) | set(await keys(anew=True))) == 2 * len(first)


async def test_the_registry_of_one_loop_has_the_exit_code_of_the_command(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.READ)}
    async with world.running() as running:
        env["OPSD_SERVER"] = running.url
        for loop, code in (("beta", 0), ("nobody", 5)):
            remote = await opsd("fleet", "registry", "--loop", loop, env=env)
            local = world.opsd("fleet", "registry", "--loop", loop)
            assert (remote.returncode, remote.stdout, remote.stderr) == (code, local.stdout, local.stderr)


async def test_every_flag_of_the_handoff_means_the_same_over_a_server(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    world.critical_journal("alpha")
    async with world.running("--fleet-enabled", "false") as running:
        env["OPSD_SERVER"] = running.url
        await opsd("fleet", "reconcile", env=env)
        policy = await opsd("fleet", "policy", "--autopause-skip-empty", "--lock-wait-seconds", "1", env=env)
        assert policy.returncode == 0, policy.stderr
        planned = await opsd("fleet", "handoff", "--idempotency-prefix", "p", "--lock-wait-seconds", "1", env=env)
        assert json.loads(planned.stdout)["control"]["idempotencyPrefix"] == "p"
        done = await opsd("fleet", "handoff", "--autonomous-execute", "--no-runtime-confirm", env=env)
        assert json.loads(done.stdout)["execution"]["mode"] == "autonomous", done.stderr
        for flags in (
            ("--execute",),
            ("--confirm",),
            ("--execute", "--autonomous-execute", "--confirm"),
            ("--anew",),
            ("--autonomous-execute", "--anew"),
        ):
            remote, local = await opsd("fleet", "handoff", *flags, env=env), world.opsd("fleet", "handoff", *flags)
            assert (remote.returncode, remote.stdout, remote.stderr) == (1, local.stdout, local.stderr)
    both = world.opsd("fleet", "handoff", "--execute", "--confirm", "--anew", "--trace-id", "t")
    assert both.stderr == "error: --anew and --trace-id are mutually exclusive\n"


async def test_a_pass_over_the_fleet_is_the_daemons_own_and_judges_as_it_does(tmp_path: Path) -> None:
    """A run whose process died is critical by the daemon's settings; the command's own defaults would call it well."""
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.live["alpha"].active(False)
    world.crash("alpha")
    world.principal("ann", Scope.CONTROL)
    async with world.running("--fleet-enabled", "false") as running:
        ann = world.client(running, "ann")
        status, answered = await ann.post("/fleet/reconcile", {"fromStart": True})
        assert status == 200, answered
        assert answered["fleet"] == json.loads(world.file("state.json").read_text())
        assert answered["fleet"]["traceId"] == answered["traceId"]
        by_loop = {one["loopId"]: one for one in answered["fleet"]["results"]}
        assert (by_loop["alpha"]["healthStatus"], by_loop["alpha"]["passSource"]) == ("critical", "requested_pass")
        world.file("registry.v1.json").unlink()
        assert (await ann.post("/fleet/reconcile"))[0] == 404

"""Drills and the Horizon bridge over HTTP: the commands themselves, as the principal who asks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from opsd.access.model import Scope
from opsd.api.flags import flags_of, operand_of
from opsd.api.models.base import Body
from opsd.api.models.steps import BridgeRun, DrillRun
from opsd.api.table import ROUTES
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.steps import COMMANDS
from tests.api.world import ApiWorld
from tests.cli.process import on_a_terminal, opsd

_EVIDENCE = "drills/promotion.v1.json"


def test_an_operand_is_a_word_that_no_command_takes_for_a_flag() -> None:
    models = [route.body for route in ROUTES if route.body is not None and operand_of(route.body)]
    assert DrillRun in models
    for model in models:
        words = get_args(model.model_fields[operand_of(model) or ""].annotation)
        assert words
        assert not [word for word in words if str(word).startswith("-")]
    assert flags_of(DrillRun(drill="all", fleet="live", confirm=True)) == ["all", "--fleet", "live", "--confirm"]


@pytest.mark.parametrize("model", [DrillRun, BridgeRun])
def test_a_body_has_no_flag_that_names_a_file(model: type[Body]) -> None:
    command = COMMANDS["drill run" if model is DrillRun else "horizon-bridge"]
    spec = spec_of(command.spec)
    assert all(spec.declares(flag) for flag in command.flags)
    named = {flag.name for flag in spec.flags if flag.value == "<path>"}
    assert not named & set(command.flags)


@pytest.mark.parametrize("drill", ["--help", "--sandbox", "", "kill-switch --fleet", "kill_switch", None, ["all"], 1])
def test_what_is_no_drill_is_refused(drill: object) -> None:
    with pytest.raises(ValidationError):
        DrillRun.model_validate({"drill": drill})


async def test_a_drill_is_carried_out_in_a_sandbox_and_names_who_asked(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.POLICY)
    registry = world.file("registry.v1.json").read_bytes()
    async with world.running() as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        done = await opsd("drill", "run", "ambiguous-retry-guard", env=env)
        assert (done.returncode, done.stderr) == (0, "")
        document = json.loads(done.stdout)
        (entry,) = json.loads(world.file(_EVIDENCE).read_text())["drills"]
        assert (document["passed"], document["drills"]) == (True, [entry])
        requested = next(row for row in world.operations() if row["action"] == "runDrill")
        assert (entry["requestedBy"], entry["traceId"]) == ("ann", requested["traceId"])
    assert world.file("registry.v1.json").read_bytes() == registry
    assert world.calls == []


async def test_one_drill_at_a_time(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY)
    async with world.running() as running:
        ann = world.client(running, "ann")
        body = {"drill": "ambiguous-retry-guard"}
        both = await asyncio.gather(*(ann.post("/drills", body) for _ in range(2)))
        (first, done), (second, refused) = sorted(both, key=lambda answer: answer[0])
        assert (first, len(done["result"]["drills"])) == (200, 1), done
        assert (second, refused["error"]["code"]) == (503, "busy")
        assert "only once at a time" in refused["error"]["message"]


async def test_the_live_fleet_is_drilled_only_as_confirmed_and_only_by_its_kill_switch(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.POLICY)
    registry = world.file("registry.v1.json").read_bytes()
    async with world.running() as running:
        ann = world.client(running, "ann")
        for body, said in (
            ({"drill": "kill-switch", "fleet": "live"}, "give --confirm to do that"),
            ({"drill": "kill-switch", "fleet": "live", "confirm": False}, "give --confirm to do that"),
            ({"drill": "all", "fleet": "live", "confirm": True}, "only kill-switch can be drilled on a live fleet"),
        ):
            status, answered = await ann.post("/drills", body)
            assert (status, answered["error"]["code"]) == (409, "command_failed")
            assert said in answered["error"]["message"]
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        refused = await opsd("drill", "run", "kill-switch", "--sandbox", "/tmp/x", env=env)
        assert refused.stderr.startswith("error: --sandbox cannot be combined with OPSD_SERVER: ")
        assert (await opsd("drill", "run", env=env)).stderr.startswith("error: one word is required: <kill-switch|")
    assert world.file("registry.v1.json").read_bytes() == registry
    assert not world.file(_EVIDENCE).exists()


async def test_a_drill_of_the_live_fleet_needs_the_registry_where_it_looks(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY)
    elsewhere = tmp_path / "registry.json"
    elsewhere.write_bytes(world.file("registry.v1.json").read_bytes())
    async with world.running("--registry-file", str(elsewhere)) as running:
        body = {"drill": "kill-switch", "fleet": "live", "confirm": True}
        status, answered = await world.client(running, "ann").post("/drills", body)
        assert (status, answered["error"]["code"]) == (409, "conflict")


async def test_a_drill_that_did_not_hold_is_an_answer_with_exit_code_1(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.permit(safety={"killSwitch": True})
    world.principal("ann", Scope.POLICY)
    async with world.running() as running:
        body = {"drill": "kill-switch", "fleet": "live", "confirm": True}
        status, answered = await world.client(running, "ann").post("/drills", body)
        assert (status, answered["exitCode"], answered["result"]["passed"]) == (200, 1, False), answered
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": world.tokens["ann"]}
        live = ("drill", "run", "kill-switch", "--fleet", "live", "--confirm")
        code, page = await on_a_terminal(*live, env=env)
        local = await on_a_terminal(*live, "--repo", str(world.repo))
        assert code == local[0] == 1
        assert page.splitlines()[0] == "kill-switch ..."
        assert "FAILED  the kill switch is on already" in page
        assert page.splitlines()[-1] == f"recorded in {world.file(_EVIDENCE)}"
        assert page.splitlines()[:2] == local[1].splitlines()[:2]


async def test_the_bridge_takes_the_outbox_of_the_settings_and_tells_of_what_it_rejected(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.POLICY)
    outbox = world.repo / "elsewhere" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "a.jsonl").write_text("no envelope\n")
    async with world.running("--horizon-outbox-dir", str(outbox)) as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        done = await opsd("horizon-bridge", "--max-files", "5", env=env)
        assert (done.returncode, done.stderr) == (2, "")
        assert json.loads(done.stdout) == json.loads(world.file("horizon-bridge-state.json").read_text())
        again = await opsd("horizon-bridge", env=env)
        assert again.returncode == 0
        refused = await opsd("horizon-bridge", "--outbox-dir", "/etc", env=env)
        assert "it names a file of this host" in refused.stderr
        status, answered = await world.client(running, "ann").post("/horizon/bridge", {"outboxDir": "/etc"})
        assert (status, answered["error"]["code"]) == (400, "invalid_request")
    assert list(outbox.iterdir()) == []


async def test_only_those_who_may(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("eve", Scope.READ, Scope.CONTROL)
    world.principal("bob", Scope.POLICY, loops=("al*",))
    async with world.running() as running:
        for name in ("eve", "bob"):
            for path, body in (("/drills", {"drill": "all"}), ("/horizon/bridge", {})):
                assert (await world.client(running, name).post(path, body))[0] == 403, (name, path)
    assert world.operations() == []

"""Promotion over HTTP: the commands themselves, answered as they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld
from tests.cli.process import opsd

_GOVERNED = {"approvalRef": "CHG-1", "rationale": "all is well", "reviewBy": "2099-01-01T00:00:00Z"}


async def test_gates_hold_and_the_record_is_the_answer(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY, Scope.CONTROL, Scope.READ)
    async with world.running() as running:
        ann = world.client(running, "ann")
        status, answered = await ann.post("/fleet/reconcile")
        assert (status, answered["fleet"]) == (200, json.loads(world.file("state.json").read_text()))
        status, answered = await ann.post("/promotion/gates", {"failOnHold": True, "minSampleSize": 3})
        assert (status, answered["exitCode"]) == (200, 2), answered
        record = json.loads(world.file("promotion-state.json").read_text())
        assert answered["result"] == record
        assert record["traceId"] == answered["traceId"]
        assert (await ann.get("/promotion"))[1]["promotion"]["decision"] == record


async def test_who_asks_answers_for_it_and_a_refusal_says_why(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.POLICY)
    async with world.running() as running:
        ann = world.client(running, "ann")
        status, answered = await ann.post("/promotion/apply", {"intent": "expand", **_GOVERNED}, key="k1")
        assert (status, answered["error"]["code"]) == (409, "command_failed")
        assert answered["exitCode"] == 1
        assert "result" not in answered
        again = await ann.post("/promotion/apply", {"intent": "expand", **_GOVERNED}, key="k1")
        assert again == (status, {**answered, "replayed": True})
        status, answered = await ann.post("/promotion/apply", {"intent": "rollback", "emergency": True, **_GOVERNED})
        assert (status, answered["result"]["governance"]["actor"]) == (200, "ann"), answered
        assert world.registry()["policy"]["autonomous"]["rollout"]["pause"]["manual"] is True


async def test_only_those_who_may_and_only_what_there_is(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("eve", Scope.READ, Scope.CONTROL)
    world.principal("ann", Scope.POLICY)
    async with world.running() as running:
        assert (await world.client(running, "eve").post("/promotion/gates"))[0] == 403
        status, answered = await world.client(running, "ann").post(
            "/promotion/gates", {"driftStateFile": "/etc/passwd"}
        )
        assert (status, answered["error"]["code"]) == (400, "invalid_request")


async def test_the_command_line_prints_what_the_command_on_the_host_would(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        fleet = await opsd("fleet", "reconcile", env=env)
        assert json.loads(fleet.stdout)["loopCount"] == 1, fleet.stderr
        held = await opsd("promotion", "gates", "--fail-on-hold", "--max-failure-rate", "0.5", env=env)
        assert (held.returncode, held.stderr) == (2, ""), held.stderr
        decided = json.loads(held.stdout)
        assert decided["summary"]["decision"] == "hold"
        assert decided["thresholds"]["maxFailureRate"] == 0.5
        refused = await opsd("promotion", "apply", "--intent", "expand", env=env)
        assert (refused.returncode, refused.stdout) == (1, "")
        proposed, local = await asyncio.gather(
            opsd("promotion", "controller", env=env),
            opsd("promotion", "gates", "--by", "bob", env=env),
        )
        assert json.loads(proposed.stdout)["status"], proposed.stderr
        assert "unknown argument: --by" in local.stderr
        barred = await opsd("promotion", "controller", "--by", "bob", env=env)
        said = "error: --by cannot be combined with OPSD_SERVER: the principal of the token is who does it\n"
        assert barred.stderr == said

"""What an operator does to one loop over the control API: passes that go otherwise, projection, drift, dispatch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.api.flags import fields_by_flag
from opsd.api.models.alerts import AlertsDispatch
from opsd.api.models.loops import ProfileDrift
from opsd.cli.remote.command import spec_of
from tests.api.world import ApiWorld
from tests.daemon.support import LiveLoop, remote, sprite, write_registry

SECRET = "hush-hush-desk"
CATALOG = {
    "schemaVersion": "v1",
    "defaultMinSeverity": "warning",
    "sinks": {"desk": {"enabled": True, "type": "webhook", "urlEnv": "DESK_URL", "retry": {"maxAttempts": 1}}},
    "routing": {"defaultSinks": ["desk"], "categorySeverity": {"reconcile_failed": "critical"}, "routes": []},
}


class DeskWorld(ApiWorld):
    """With a sink whose address is a secret."""

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "DESK_URL": f"http://127.0.0.1:9/{SECRET}"}


def ops(world: ApiWorld, name: str, loop: str = "alpha") -> Path:
    """A file that the manager keeps of a loop."""
    return world.repo / ".superloop" / "ops-manager" / loop / name


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("spec", "model"),
    [("opsd.cli.loop.profile_drift:SPEC", ProfileDrift), ("opsd.cli.alerts.dispatch:SPEC", AlertsDispatch)],
)
def test_every_field_is_a_flag_of_the_command_and_none_names_a_file(spec: str, model: Any) -> None:
    assert all(spec_of(spec).declares(flag) for flag in fields_by_flag(model))
    assert not [flag for flag in fields_by_flag(model) if flag.endswith("-file")]


async def test_a_pass_begins_at_the_first_line_and_takes_in_so_many(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL, Scope.READ)
    world.live["alpha"].append("loop_start", "iteration_start", "iteration_start")
    async with world.running() as running:
        ann = world.client(running, "ann")
        assert (await ann.post("/loops/alpha/reconcile", {"wait": True}))[1]["pass"]["succeeded"] is True
        status, body = await ann.post("/loops/alpha/reconcile", {"wait": True, "fromStart": True, "maxEvents": 2})
        assert (status, body["pass"]["succeeded"]) == (200, True), body
        row = next(row for row in rows(ops(world, "telemetry/reconcile.jsonl")) if row["fromStart"])
        assert (row["eventsIngested"], row["maxEvents"], row["traceId"]) == (2, 2, body["pass"]["traceId"])
        assert (row["cursorOffsetBefore"], row["cursorOffsetAfter"]) == (0, 2)
        _, body = await ann.post("/loops/alpha/reconcile", {"wait": True})
        assert body["pass"]["document"]["cursor"]["eventLineCount"] == 3
        assert json.loads(ops(world, "cursor.json").read_text())["eventLineOffset"] == 3
        assert sum(row["fromStart"] for row in rows(ops(world, "telemetry/reconcile.jsonl"))) == 1


async def test_a_pass_steps_over_a_bad_line_also_at_a_sprite(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    away = LiveLoop(tmp_path / "sprite", "away")
    for loop in (world.live["alpha"], away):
        loop.append("loop_start")
        with loop.journal.open("a") as file:
            file.write("{broken\n")
        loop.append("iteration_start")
    async with sprite(away.repo) as service:
        write_registry(world.repo, {"loopId": "alpha"}, remote("away", service.url))
        async with world.running() as running:
            ann = world.client(running, "ann")
            for name in ("alpha", "away"):
                _, body = await ann.post(f"/loops/{name}/reconcile", {"wait": True})
                assert body["pass"]["succeeded"] is False, body
                status, body = await ann.post(f"/loops/{name}/reconcile", {"wait": True, "skipLine": 2})
                assert (status, body["pass"]["succeeded"]) == (200, True), body
                told = [row.get("skippedLine") for row in rows(ops(world, "telemetry/reconcile.jsonl", name))]
                assert told.count(2) == 1
                assert json.loads(ops(world, "cursor.json", name).read_text())["eventLineOffset"] == 3


async def test_what_steers_a_pass_needs_a_token(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        client = world.client(running)
        assert (await client.post("/loops/alpha/reconcile", {"wait": True}))[0] == 200
        for order in ({"fromStart": True}, {"skipLine": 1}, {"maxEvents": 1}):
            status, body = await client.post("/loops/alpha/reconcile", order)
            assert (status, body["error"]["code"]) == (403, "forbidden")
        for wrong in ({"skipLine": 0}, {"maxEvents": -1}, {"fromStart": 1}, {"cursorFile": "x"}):
            assert (await client.post("/loops/alpha/reconcile", wrong))[0] == 400
    assert not any(row["fromStart"] for row in rows(ops(world, "telemetry/reconcile.jsonl")))


async def test_a_fresh_projection_is_stored_as_the_command_stores_it(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    away = LiveLoop(tmp_path / "sprite", "away")
    world.live["alpha"].append("loop_start")
    away.append("loop_start", "iteration_start")
    async with sprite(away.repo) as service:
        write_registry(world.repo, {"loopId": "alpha"}, remote("away", service.url))
        async with world.running("--observe-default", "poll", "--observe-active-poll-seconds", "3600") as running:
            ann = world.client(running, "ann")
            for name, lines in (("alpha", 1), ("away", 2)):
                await ann.post(f"/loops/{name}/reconcile", {"wait": True})

                async def is_stored(name: str = name, lines: int = lines) -> bool:  # unless a pass came in between
                    status, body = await ann.post(f"/loops/{name}/project-state")
                    assert status == 200, body
                    assert body["state"]["cursor"]["eventLineCount"] == lines
                    return bool(body["state"] == json.loads(ops(world, "state.json", name).read_text()))

                await running.until(is_stored)
            world.live["alpha"].journal.unlink()
            assert (await ann.post("/loops/alpha/project-state"))[1]["error"]["code"] == "conflict"
            assert (await ann.post("/loops/alpha/project-state", {"stateFile": "/tmp/x"}))[0] == 400


async def test_drift_is_evaluated_and_recorded(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    async with world.running() as running:
        ann = world.client(running, "ann")
        wanted = {"appliedProfile": "balanced", "recommendedProfile": "strict", "requiredStreak": 1}
        wanted |= {"recommendationConfidence": "high", "rationale": "--by mallory"}
        status, body = await ann.post("/loops/alpha/profile-drift", wanted)
        assert status == 200, body
        drift = body["result"]
        assert (drift["recommendedProfile"], drift["rationale"]) == ("strict", "--by mallory")
        recorded = [row["drift"] for row in rows(ops(world, "telemetry/profile-drift.jsonl"))]
        assert drift in recorded
        status, body = await ann.post("/loops/alpha/profile-drift", {"appliedProfile": "no-such"})
        assert (status, body["error"]["message"]) == (409, "unknown applied profile: no-such")
        assert (await ann.post("/loops/alpha/profile-drift", {"minConfidence": "sure"}))[0] == 400
        assert (await ann.post("/loops/nobody/profile-drift", {}))[0] == 404


async def test_alerts_are_dispatched_and_a_rehearsal_shows_no_secret(tmp_path: Path) -> None:
    world = DeskWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    catalog = tmp_path / "sinks.json"
    catalog.write_text(json.dumps(CATALOG))
    world.critical_journal("alpha")
    flags = ("--alerts-catalog-file", str(catalog), "--alerts-enabled", "false")
    async with world.running(*flags) as running:
        ann = world.client(running, "ann")
        await ann.post("/loops/alpha/reconcile", {"wait": True})
        status, rehearsed = await ann.post("/loops/alpha/alerts/dispatch", {"dryRun": True})
        assert (status, rehearsed["result"]["dryRun"]) == (200, True), rehearsed
        sent = rehearsed["result"]["rows"][0]
        assert (sent["verdict"], sent["requests"][0]["sinkId"]) == ("send", "desk")
        assert SECRET not in json.dumps(rehearsed)
        assert not ops(world, "alert-dispatch-state.json").exists()
        wanted = {"deliveryBudgetSeconds": 0, "failOnDeliveryFailure": True}
        status, told = await ann.post("/loops/alpha/alerts/dispatch", wanted)
        assert (status, told["exitCode"]) == (200, 2), told
        assert told["result"]["status"] in ("failed", "partial")
        status, again = await ann.post("/loops/alpha/alerts/dispatch", {"resetCursor": True, "maxEscalations": 1})
        assert (status, again["exitCode"], again["result"]["traceId"]) == (200, 0, again["traceId"])
        assert SECRET not in json.dumps([told, again])
        status, body = await ann.post("/loops/alpha/alerts/dispatch", {"alertConfigFile": "/etc/passwd"})
        assert (status, body["error"]["code"]) == (400, "invalid_request")


async def test_control_takes_how_long_a_command_may_last(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    world.runtime.write_text("#!/bin/sh\nexec sleep 60\n")
    async with world.running() as running:
        order = {"intent": "cancel", "confirm": False, "commandTimeoutSeconds": 1}
        status, body = await world.client(running, "ann").post("/loops/alpha/control", order)
        assert (status, body["result"]["status"]) == (409, "failed_command")


async def test_acting_on_a_loop_needs_control_of_it(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.CONTROL, loops=("al*",))
    world.principal("eve", Scope.READ, Scope.POLICY)
    async with world.running() as running:
        for path in ("project-state", "profile-drift", "alerts/dispatch", "reconcile"):
            assert (await world.client(running, "eve").post(f"/loops/alpha/{path}"))[0] == 403, path
            assert (await world.client(running, "ann").post(f"/loops/beta/{path}"))[0] == 403, path
    assert world.operations() == []

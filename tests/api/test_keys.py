"""Idempotency keys over the control API: whose they are, and what a refusal before anything was done makes of them."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path

import pytest

from opsd.access.model import Scope
from opsd.storage import locks
from opsd.storage.key_records import MAX_RECORDS
from opsd.supervisor.jobs.commands import MAX_EACH, MAX_PARALLEL
from tests.api.world import PREFIX, ApiWorld, Client
from tests.daemon.support import Daemon

_GOVERNED = {"approvalRef": "CHG-1", "rationale": "all is well", "reviewBy": "2099-01-01T00:00:00Z"}


async def _begun(running: Daemon, count: int) -> bool:
    """So many runs of the bridge were asked for and have their place: it is taken right after this line."""
    return [line["action"] for line in running.logged("api.requested")].count("runHorizonBridge") == count


async def _refused(client: Client, path: str, body: object, key: str) -> tuple[int, str, str | None]:
    """Status, code and patience of an answer."""
    headers = {**client.headers, **({"Idempotency-Key": key} if key else {})}
    async with client.running.session.post(PREFIX + path, json=body, headers=headers) as response:
        return response.status, (await response.json())["error"]["code"], response.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("lock", "path", "body", "good"),
    [
        (
            ".superloop/ops-manager/fleet/.lock",
            "/fleet/handoff/execute",
            {"confirm": True, "everything": True, "runtimeConfirm": False, "lockWaitSeconds": 0},
            200,
        ),
        (
            ".superloop/ops-manager/fleet/telemetry/.operations.jsonl.lock",
            "/alerts/silences",
            {"matchers": [{"name": "loopId", "value": "alpha"}], "durationSeconds": 60},
            201,
        ),
    ],
)
async def test_who_was_told_to_come_again_may_come_with_the_same_key(
    tmp_path: Path, lock: str, path: str, body: object, good: int
) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL, Scope.POLICY)
    async with world.running("--fleet-enabled", "false") as running:
        ann = world.client(running, "ann")
        for step in ("/fleet/reconcile", "/fleet/policy", "/fleet/handoff/plan"):
            assert (await ann.post(step))[0] == 200
        assert (world.repo / lock).exists()
        with locks.exclusive(str(world.repo / lock), wait_s=0):
            assert await _refused(ann, path, body, "k1") == (503, "busy", "1")
        status, answered = await ann.post(path, body, key="k1")
        assert (status, answered.get("replayed")) == (good, False), answered
        assert (await ann.post(path, body, key="k1"))[1]["replayed"] is True


async def test_a_command_that_had_no_place_keeps_no_key(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL, Scope.POLICY)
    world.principal("bob", Scope.POLICY)
    body = {"intent": "rollback", "emergency": True, **_GOVERNED}
    async with world.running("--fleet-enabled", "false") as running:
        ann, bob = world.client(running, "ann"), world.client(running, "bob")
        assert (await ann.post("/fleet/reconcile"))[0] == 200
        bridge = "/horizon/bridge"
        with locks.exclusive(str(world.file(".horizon-bridge-queue.json.lock")), wait_s=0):
            waiting = [asyncio.create_task(ann.post(bridge)) for _ in range(MAX_EACH)]
            await running.until(partial(_begun, running, MAX_EACH))
            assert await _refused(ann, "/promotion/apply", body, "k1") == (503, "busy", "1")
            waiting.append(asyncio.create_task(bob.post(bridge)))  # a place is left
            await running.until(partial(_begun, running, MAX_PARALLEL))
            assert await _refused(bob, bridge, {}, "") == (503, "busy", "1")
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * MAX_PARALLEL
        status, answered = await ann.post("/promotion/apply", body, key="k1")
        assert (status, answered.get("replayed")) == (200, False), answered


async def test_no_two_principals_have_the_same_key(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    for name in ("ci", "ci-x"):
        world.principal(name, Scope.CONTROL)
    order = {"intent": "cancel", "confirm": False}
    async with world.running() as running:
        _, first = await world.client(running, "ci").post("/loops/alpha/control", order, key="x-1")
        _, second = await world.client(running, "ci-x").post("/loops/alpha/control", order, key="1")
    assert first["result"]["idempotencyKey"] != second["result"]["idempotencyKey"]
    assert "repeatedIdempotencyKey" not in second["result"]


def _silence(minutes: int) -> dict[str, object]:
    return {"matchers": [{"name": "loopId", "value": "alpha"}], "durationSeconds": minutes * 60}


async def test_a_principal_has_so_many_keys_in_a_day_and_others_have_theirs(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    for name in ("busy", "calm"):
        world.principal(name, Scope.CONTROL)
    path, body = "/alerts/silences", _silence(1)
    async with world.running() as running:
        busy, calm = world.client(running, "busy"), world.client(running, "calm")
        status, first = await busy.post(path, body, key="first")
        assert (status, first["replayed"]) == (201, False)
        folder = world.file("api-keys/busy")
        for number in range(MAX_RECORDS - 1):
            (folder / f"{number}.json").touch()
        status, code, patience = await _refused(busy, path, body, "one-more")
        assert (status, code) == (503, "busy")
        assert 80_000 < int(patience or 0) <= 86_401
        assert (await busy.post(path, body, key="first"))[1]["replayed"] is True
        assert (await busy.post(path, body))[0] == 201
        assert (await calm.post(path, body, key="one-more"))[0] == 201
        os.utime(folder / "0.json", (0, 0))
        assert (await busy.post(path, body, key="one-more"))[0] == 201
        assert not (folder / "0.json").exists()


async def test_what_a_crash_cut_off_is_not_carried_out_again(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    path, body = "/alerts/silences", _silence(1)
    async with world.running() as running:
        ann = world.client(running, "ann")
        assert (await ann.post(path, body, key="k"))[0] == 201
        (record,) = world.file("api-keys/ann").glob("*.json")
        known = json.loads(record.read_text())
        assert known.pop("answer")["status"] == 201
        record.write_text(json.dumps(known))
        carried_out = world.operations()
        assert (await _refused(ann, path, body, "k"))[:2] == (409, "outcome_unknown")
        assert (await _refused(ann, path, _silence(2), "k"))[:2] == (422, "idempotency_conflict")
        record.write_text("{")
        assert (await _refused(ann, path, body, "k"))[:2] == (500, "manager_file")
        assert world.operations() == carried_out

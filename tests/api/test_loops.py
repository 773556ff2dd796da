"""Loops over the control API, asked of a running daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

from multidict import CIMultiDict

from opsd.access.model import Scope
from opsd.api.application import MAX_RUNNING
from tests.api.world import ApiWorld


async def test_loops_are_listed_filtered_and_paged(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path)
    async with world.running() as running:
        client = world.client(running)
        await running.until_state("gamma", "running", 0)
        status, first = await client.get("/loops?limit=2")
        assert status == 200
        assert [loop["loopId"] for loop in first["loops"]] == ["alpha", "beta"]
        _, second = await client.get(f"/loops?limit=2&cursor={first['nextCursor']}")
        assert [loop["loopId"] for loop in second["loops"]] == ["gamma"]
        _, active = await client.get("/loops?state=running&health=healthy")
        assert [loop["loopId"] for loop in active["loops"]] == ["gamma"]
        assert second["nextCursor"] is None
        _, none = await client.get("/loops?state=failed")
        assert none["loops"] == []
        status, refused = await client.get("/loops?state=runing")  # an empty list would say that all is well
        assert (status, refused["error"]["code"]) == (400, "invalid_request")
        assert "awaiting_approval" in refused["error"]["message"]


async def test_a_loop_shows_its_events_status_telemetry_and_escalations(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.live["alpha"].append("loop_start", "iteration_start")
    async with world.running() as running:
        client = world.client(running)
        await running.until_state("alpha", "running", 2)
        _, page = await client.get("/loops/alpha/events?cursor=1&maxEvents=10")
        assert [event["event"]["name"] for event in page["events"]] == ["iteration_start"]
        assert (page["cursor"]["eventLineOffset"], page["cursor"]["eventLineCount"]) == (2, 2)
        _, status = await client.get("/loops/alpha/status")
        assert status["status"]["source"]["loopId"] == "alpha"
        assert (await client.get("/loops/alpha/telemetry?window=5"))[1]["summary"]["schemaVersion"] == "v1"
        assert (await client.get("/loops/alpha/escalations"))[0] == 200
        assert (await client.get("/loops/nobody/status"))[0] == 404
        assert (await client.get("/loops/alpha/events?cursor=99"))[0] == 409


async def test_a_pass_can_be_waited_for(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        status, body = await world.client(running).post("/loops/alpha/reconcile", {"wait": True})
    assert status == 200, body
    assert body["pass"]["succeeded"] is True
    assert body["pass"]["document"]["health"]["status"]
    requested, ended = world.operations()
    assert (requested["action"], requested["phase"], requested["principal"]) == ("reconcileLoop", "requested", "local")
    assert (ended["phase"], ended["status"], ended["traceId"]) == ("ended", 200, body["traceId"])


async def test_an_unchanged_answer_is_not_sent_again(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        async with running.session.get("/api/v1/fleet/registry") as response:
            tag, body = response.headers["ETag"], await response.read()
        assert body
        name = "If-None-Match"
        for known in ([(name, tag)], [(name, f'"other", W/{tag}')], [(name, '"other"'), (name, tag)], [(name, "*")]):
            async with running.session.get("/api/v1/fleet/registry", headers=CIMultiDict(known)) as response:
                assert (response.status, await response.read()) == (304, b"")
        async with running.session.get("/api/v1/fleet/registry", headers={name: '"other"'}) as response:
            assert (response.status, await response.read()) == (200, body)
        async with running.session.head("/api/v1/fleet/registry") as response:
            assert (response.status, response.headers["ETag"], await response.read()) == (200, tag, b"")


async def test_the_same_key_cancels_once_and_another_request_with_it_is_refused(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL, loops=("al*",))
    world.crash("alpha")
    async with world.running() as running:
        client = world.client(running, "ann")
        order = {"intent": "cancel", "confirm": False, "note": "enough"}
        answers = await asyncio.gather(*(client.post("/loops/alpha/control", order, key="k1") for _ in range(4)))
        assert [status for status, _ in answers] == [200] * 4
        assert sorted(body["replayed"] for _, body in answers) == [False, True, True, True]
        assert len({body["traceId"] for _, body in answers}) == 1
        assert len(world.calls) == 1
        other = await client.post("/loops/alpha/control", {**order, "note": "other"}, key="k1")
        assert (other[0], other[1]["error"]["code"]) == (422, "idempotency_conflict")
        row = answers[0][1]["result"]
        assert (row["requestedBy"], row["intent"], row["status"]) == ("ann", "cancel", "executed_unconfirmed")
    journal = world.repo / ".superloop" / "ops-manager" / "alpha" / "intent-journal.jsonl"
    assert journal.exists()


async def test_a_refused_intent_is_told_with_its_row(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    world.runtime.write_text("#!/bin/sh\necho no such run >&2\nexit 3\n")
    async with world.running() as running:
        status, body = await world.client(running, "ann").post("/loops/alpha/control", {"intent": "approve"})

        async def is_seen() -> bool:
            return (await running.metrics()).get('opsd_loop_last_control{loop="alpha",status="failed_command"}') == 1

        await running.until(is_seen)
    assert (status, body["ok"], body["error"]["code"], body["exitCode"]) == (409, False, "control_failed_command", 1)
    assert body["result"]["status"] == "failed_command"
    assert [row["code"] for row in world.operations() if row["phase"] == "ended"] == ["control_failed_command"]


async def test_changes_side_by_side_leave_one_whole_chain(tmp_path: Path) -> None:
    """Two rows of each, whoever was faster: none is lost, and each follows the one before it."""
    world = ApiWorld(tmp_path, "alpha")
    for name in ("ann", "bob"):  # each has its share of what may run at a time
        world.principal(name, Scope.ADMIN)
    async with world.running() as running:
        ann, bob = world.client(running, "ann"), world.client(running, "bob")
        each = (one.post("/loops/alpha/reconcile") for one in (ann, bob) for _ in range(MAX_RUNNING // 2))
        answers = await asyncio.gather(*each)
        assert {status for status, _ in answers} == {200}
        (log,) = [
            one for one in (await ann.get("/audit"))[1]["audit"]["logs"] if one["file"].endswith("operations.jsonl")
        ]
    assert (log["status"], log["chainedRows"]) == ("intact", 2 * MAX_RUNNING)

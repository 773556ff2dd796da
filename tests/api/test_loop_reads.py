"""What a loop shows of itself, over the control API: through its own transport, local or a sprite service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.supervisor.loops.reads import MAX_LOOKS, MAX_LOOKS_EACH
from tests.api.world import ApiWorld, Client
from tests.daemon.support import TOKEN, LiveLoop, daemon, remote, sprite, write_registry
from tests.transport.misbehaving import Answer, respond, serving


class AwayWorld(ApiWorld):
    """``alpha`` on this host and ``away`` behind a sprite service over a repo of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "alpha")
        self.away = LiveLoop(root / "sprite", "away")

    @asynccontextmanager
    async def client_of(self) -> AsyncIterator[Client]:
        """A client without a token."""
        async with sprite(self.away.repo) as service:
            write_registry(self.repo, {"loopId": "alpha"}, remote("away", service.url))
            async with self.running() as running:
                yield self.client(running)


def names(page: dict[str, Any]) -> list[str]:
    return [event["event"]["name"] for event in page["events"]]


async def test_a_snapshot_is_what_the_command_prints(tmp_path: Path) -> None:
    world = AwayWorld(tmp_path)
    world.live["alpha"].append("loop_start")
    world.away.append("loop_start", "iteration_start")
    async with world.client_of() as client:
        status, body = await client.get("/loops/alpha/snapshot?runId=r7&traceId=t-1")
        assert status == 200, body
        printed = json.loads(world.opsd("snapshot", "--loop", "alpha", "--run-id", "r7", "--trace-id", "t-1").stdout)
        printed["emittedAt"] = body["snapshot"]["emittedAt"]
        printed["runtime"]["liveness"] = body["snapshot"]["runtime"]["liveness"]
        assert body["snapshot"] == printed
        assert (await client.get("/loops/alpha/snapshot"))[1]["snapshot"]["traceId"] is None
        _, body = await client.get("/loops/away/snapshot?runId=r8&traceId=t-2")
        away = body["snapshot"]
        assert (away["source"]["loopId"], away["run"]["runId"], away["traceId"]) == ("away", "r8", "t-2")
        assert away["cursor"]["eventLineCount"] == 2
        assert (await client.get("/loops/nobody/snapshot"))[0] == 404
        world.away.journal.unlink()
        status, body = await client.get("/loops/away/snapshot")
        assert (status, body["error"]["code"]) == (409, "conflict")
        world.live["alpha"].journal.unlink()
        assert (await client.get("/loops/alpha/snapshot"))[0] == 409


async def test_pages_of_events_go_on_where_the_cursor_says(tmp_path: Path) -> None:
    world = AwayWorld(tmp_path)
    world.live["alpha"].append("a", "b", "c")
    world.away.append("x", "y")
    async with world.client_of() as client:
        _, first = await client.get("/loops/alpha/events?maxEvents=2&traceId=t")
        assert (names(first), first["events"][0]["traceId"]) == (["a", "b"], "t")
        anchor = first["cursor"]["anchorSha256"]
        _, second = await client.get(f"/loops/alpha/events?cursor=2&anchor={anchor}")
        assert names(second) == ["c"]
        status, body = await client.get(f"/loops/alpha/events?cursor=1&anchor={anchor}")
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert "cursor does not match the journal" in body["error"]["message"]
        _, away = await client.get("/loops/away/events?cursor=1")
        assert (names(away), away["cursor"]["loopId"]) == (["y"], "away")
        assert "anchorSha256" not in away["cursor"]
        status, body = await client.get(f"/loops/away/events?cursor=1&anchor={anchor}")
        assert (status, "does not compare" in body["error"]["message"]) == (409, True)


async def test_an_operator_steps_over_a_bad_line_and_over_no_other(tmp_path: Path) -> None:
    world = AwayWorld(tmp_path)
    for loop in (world.live["alpha"], world.away):
        loop.append("a")
        with loop.journal.open("a") as file:
            file.write("{broken\n")
        loop.append("b")
    async with world.client_of() as client:
        for name in ("alpha", "away"):
            status, body = await client.get(f"/loops/{name}/events")
            assert (status, "line 2" in body["error"]["message"]) == (409, True)
            _, page = await client.get(f"/loops/{name}/events?skipLine=2")
            assert (names(page), page["cursor"]["skippedLine"]) == (["a", "b"], 2)
            assert (await client.get(f"/loops/{name}/events?skipLine=1"))[0] == 409
        for wrong in ("skipLine=0", "skipLine=x", "anchor=zz", "cursor=-1", "traceId=%0d%0a", "traceId="):
            assert (await client.get(f"/loops/alpha/events?{wrong}"))[0] == 400, wrong


async def test_health_is_judged_as_of_now(tmp_path: Path) -> None:
    world = AwayWorld(tmp_path)
    world.live["alpha"].append("loop_start")
    world.away.append("loop_start")
    async with world.client_of() as client:
        for name, mode in (("alpha", "local"), ("away", "sprite_service")):
            await client.running.until_state(name, "running", 1)
            _, body = await client.get(f"/loops/{name}/health?traceId=t")
            health = body["health"]
            assert (health["status"], health["transport"]["mode"], health["traceId"]) == ("healthy", mode, "t")
            _, later = await client.get(f"/loops/{name}/health?now=2099-01-01T00:00:00Z")
            assert later["health"]["reasonCodes"] == ["ingest_stale"]
            _, as_if = await client.get(f"/loops/{name}/health?ingestStatus=failed&failureCode=projection_failed")
            assert as_if["health"]["reasonCodes"] == ["projection_failed"]

        async def printed_alike() -> bool:  # unless a pass came in between
            printed = json.loads(world.opsd("health", "--loop", "alpha", "--now", "2099-01-01T00:00:00Z").stdout)
            return bool((await client.get("/loops/alpha/health?now=2099-01-01T00:00:00Z"))[1]["health"] == printed)

        await client.running.until(printed_alike)
        limits = "degradedIngestLagSeconds=9&criticalIngestLagSeconds=8"
        assert (await client.get(f"/loops/alpha/health?{limits}"))[1]["error"]["code"] == "conflict"

        async def damage_is_told() -> bool:
            (world.repo / ".superloop/ops-manager/alpha/heartbeat.json").write_text("[]")
            return (await client.get("/loops/alpha/health"))[1].get("error", {}).get("code") == "manager_file"

        await client.running.until(damage_is_told)


async def test_an_effect_is_looked_for_until_it_is_there(tmp_path: Path) -> None:
    world = AwayWorld(tmp_path)
    async with world.client_of() as client:
        for name, loop in (("alpha", world.live["alpha"]), ("away", world.away)):
            path = f"/loops/{name}/confirmation?intent=cancel"
            _, body = await client.get(f"{path}&timeoutSeconds=0")
            assert (body["confirmation"]["confirmed"], body["confirmation"]["reason"]) == (False, "timeout"), name
            looking = asyncio.create_task(client.get(f"{path}&timeoutSeconds=60&intervalSeconds=1"))
            loop.active(False)
            found = (await looking)[1]["confirmation"]
            assert (found["confirmed"], found["reason"]) == (True, "inactive_not_running"), name
        for wrong in ("", "?intent=stop", "?intent=cancel&timeoutSeconds=601", "?intent=cancel&intervalSeconds=61"):
            assert (await client.get(f"/loops/alpha/confirmation{wrong}"))[0] == 400


async def test_looks_are_bounded_and_end_with_the_daemon(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        client = world.client(running)
        path = "/loops/alpha/confirmation?intent=cancel&timeoutSeconds=600&intervalSeconds=60"
        looks = {asyncio.create_task(client.get(path)) for _ in range(MAX_LOOKS + 1)}
        done, looks = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        assert [(status, body["error"]["code"]) for status, body in (one.result() for one in done)] == [(503, "busy")]
        assert await running.ended() == 0
        answers = await asyncio.gather(*looks)
        assert {body["confirmation"]["confirmed"] for _, body in answers} == {False}


async def test_nobody_who_looks_for_effects_keeps_others_from_it(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    for name in ("ann", "bob"):
        world.principal(name, Scope.READ)
    async with world.running() as running:
        ann, bob = world.client(running, "ann"), world.client(running, "bob")
        path = "/loops/alpha/confirmation?intent=cancel&intervalSeconds=60&timeoutSeconds="
        looks = {asyncio.create_task(ann.get(f"{path}600")) for _ in range(MAX_LOOKS)}
        refused: list[asyncio.Task[tuple[int, Any]]] = []
        while len(refused) < MAX_LOOKS - MAX_LOOKS_EACH:
            done, looks = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
            refused += done
        assert {(status, body["error"]["code"]) for status, body in (one.result() for one in refused)} == {
            (503, "busy")
        }
        assert (await bob.get(f"{path}0"))[0] == 200
        assert await running.ended() == 0
        assert [status for status, _ in await asyncio.gather(*looks)] == [200] * MAX_LOOKS_EACH


class ScriptWorld(ApiWorld):
    """Snapshots are taken by a program that does not come back."""

    @property
    def env(self) -> dict[str, str]:
        script = self.repo / "snapshot.sh"
        script.write_text(f"#!/bin/sh\necho $$ > {self.repo}/looking\nexec sleep 600\n")
        script.chmod(0o755)
        return {**super().env, "OPS_MANAGER_SNAPSHOT_SCRIPT": str(script)}


async def test_a_program_that_looks_in_our_place_ends_with_the_daemon(tmp_path: Path) -> None:
    world = ScriptWorld(tmp_path, "alpha")
    async with world.running() as running:
        path = "/loops/alpha/confirmation?intent=cancel&timeoutSeconds=600"
        looking = asyncio.create_task(world.client(running).get(path))

        async def has_begun() -> bool:
            return (world.repo / "looking").exists() and (world.repo / "looking").read_text() != ""

        await running.until(has_begun)
        assert await running.ended() == 0
        assert (await looking)[1]["confirmation"]["confirmed"] is False
    assert not Path(f"/proc/{(world.repo / 'looking').read_text().strip()}").exists()


async def test_a_look_that_nobody_waits_for_gives_its_place_back(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        client = world.client(running)
        path = "/loops/alpha/confirmation?intent=cancel&timeoutSeconds=600&intervalSeconds=1"
        looks = {asyncio.create_task(client.get(path)) for _ in range(MAX_LOOKS + 1)}
        _, looks = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        for look in looks:
            look.cancel()

        async def free() -> bool:
            return (await client.get("/loops/alpha/confirmation?intent=cancel&timeoutSeconds=0"))[0] == 200

        await running.until(free)


def _snapshot(**more: Any) -> dict[str, Any]:
    return {"schemaVersion": "v1", "envelopeType": "loop_run_snapshot", "source": {"loopId": "away"}, **more}


def _events(offset: object, count: object, *names: str, loop: str = "away") -> bytes:
    envelope = {"schemaVersion": "v1", "envelopeType": "loop_run_event", "source": {"loopId": loop}}
    events = [{**envelope, "event": {"name": name}} for name in names]
    cursor = {"eventLineOffset": offset, "eventLineCount": count}
    return json.dumps({"ok": True, "events": events, "cursor": cursor}).encode()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("snapshot", respond(200, b"no json")),
        ("snapshot", respond(200, b"")),
        ("snapshot", respond(200, b"[" * 100_000)),
        ("snapshot", respond(200, json.dumps(_snapshot(source={"loopId": "alpha"})).encode())),
        ("snapshot", respond(500, TOKEN.encode())),
        ("events?cursor=3", respond(200, _events(2, 9))),
        ("events?cursor=3", respond(200, _events(10, 9, "a"))),
        ("events?maxEvents=1", respond(200, _events(2, 9, "a", "b"))),
        ("events", respond(200, _events(1, 9, "a", loop="alpha"))),
        ("events", respond(200, _events(-1, 9))),
        ("events", respond(401, TOKEN.encode())),
    ],
)
async def test_what_a_hostile_sprite_answers_is_not_handed_on(tmp_path: Path, path: str, answer: Answer) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with serving(answer) as service:
        write_registry(world.repo, remote("away", service.url))
        async with daemon(world.repo, "--fleet-enabled", "false") as running:
            status, body = await world.client(running).get(f"/loops/away/{path}")
            assert (status, body["error"]["code"]) == (409, "conflict")
            assert TOKEN not in json.dumps(body)


async def test_reading_one_loop_needs_the_right_for_it(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.READ, loops=("al*",))
    async with world.running() as running:
        ann = world.client(running, "ann")
        for path in ("snapshot", "events", "health", "confirmation?intent=cancel&timeoutSeconds=0"):
            assert (await ann.get(f"/loops/alpha/{path}"))[0] in (200, 404), path
            assert (await ann.get(f"/loops/beta/{path}"))[0] == 403, path

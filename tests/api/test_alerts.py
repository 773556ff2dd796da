"""Alerts over the control API: silences, dead letters, sinks."""

from __future__ import annotations

from pathlib import Path

from opsd.access.model import Scope
from tests.api.world import ApiWorld


async def test_a_silence_is_added_in_the_principals_name_listed_and_ended(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    async with world.running() as running:
        client = world.client(running, "ann")
        wanted = {"matchers": [{"name": "loopId", "value": "alpha"}], "durationSeconds": 3600, "comment": "works"}
        status, body = await client.post("/alerts/silences", wanted, key="s1")
        assert status == 201, body
        silence = body["silence"]
        assert (silence["createdBy"], silence["state"], silence["comment"]) == ("ann", "active", "works")
        assert (await client.post("/alerts/silences", wanted, key="s1"))[1]["silence"]["id"] == silence["id"]
        assert [one["id"] for one in (await client.get("/alerts/silences"))[1]["silences"]] == [silence["id"]]
        assert (await client.post(f"/alerts/silences/{silence['id']}/expire"))[1]["silence"]["state"] == "expired"
        assert (await client.get("/alerts/silences"))[1]["silences"] == []
        assert len((await client.get("/alerts/silences?all=true"))[1]["silences"]) == 1
        assert (await client.post("/alerts/silences/sil_none/expire"))[0] == 404


async def test_a_regular_expression_that_is_none_is_told(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        wanted = {"matchers": [{"name": "loopId", "value": "(", "isRegex": True}], "durationSeconds": 60}
        status, body = await world.client(running).post("/alerts/silences", wanted)
        assert (status, body["error"]["code"]) == (409, "conflict")


async def test_sinks_routes_and_dead_letters_are_shown_without_secrets(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        client = world.client(running)
        status, body = await client.get("/alerts/sinks")
        assert status == 200, body
        assert body["sinks"]["sinks"]
        assert (await client.get("/alerts/route?category=health_critical"))[1]["route"]["category"] == "health_critical"
        assert (await client.get("/alerts/dead-letters"))[1]["loops"] == []
        assert (await client.get("/loops/alpha/dead-letters"))[1]["deadLetters"]["count"] == 0
        status, body = await client.post("/alerts/sinks/nobody/test", {"loopId": "alpha"})
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert (await client.post("/loops/alpha/dead-letters/replay", {}))[0] in (200, 409)

"""One test per item of the OWASP API Security Top 10 (2023), against a running daemon."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from opsd.access.model import Scope
from opsd.api.route import PREFIX
from opsd.api.table import ROUTES
from tests.api.world import ApiWorld
from tests.daemon.support import PATIENCE_S, Daemon, remote, write_registry
from tests.transport.misbehaving import respond, serving


def filled(path: str, loop: str) -> str:
    """A route's path with something in every place."""
    values = {"loop": loop, "silence": "sil_1", "sink": "ops", "name": "nobody", "id": "tok_ffffffffffffffff"}
    values |= {"profile": "balanced"}
    return path.format_map(values)


async def test_api1_broken_object_level_authorization(tmp_path: Path) -> None:
    """No route about a loop answers somebody whose patterns do not cover the loop, and no list shows it."""
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.principal("ann", Scope.ADMIN, loops=("be*",))
    async with world.running() as running:
        ann = world.client(running, "ann")
        for route in ROUTES:
            if "{loop}" in route.path:
                for loop in ("alpha", "no-such-loop"):  # neither is told apart
                    status, body = await ann.ask(route.method, filled(route.path, loop), json={})
                    assert (status, body["error"]["code"]) == (403, "forbidden"), route.name
            elif route.reach == "fleet":
                status, body = await ann.ask(route.method, filled(route.path, ""), json={})
                assert status == 403, route.name
        assert [loop["loopId"] for loop in (await ann.get("/loops"))[1]["loops"]] == ["beta"]
        assert world.calls == []
    assert world.operations() == []


async def test_api2_broken_authentication(tmp_path: Path) -> None:
    """No token, a wrong one, one in the query or a cookie, two at once: nobody is let in; guesses are slowed down."""
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.READ)
    async with world.running() as running:
        for headers in (
            {},
            {"Cookie": f"token={token}"},
            {"X-Ops-Token": token},
            {"Authorization": f"Basic {token}"},
            {"Authorization": "Bearer "},
        ):
            async with running.session.get(f"{PREFIX}/loops?token={token}", headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
        twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        async with running.session.get(f"{PREFIX}/loops", headers=twice) as response:
            assert response.status in (400, 401)
        wrong = {"Authorization": f"Bearer {token[:-1]}{'a' if token[-1] != 'a' else 'b'}"}
        statuses = []
        for _ in range(30):
            async with running.session.get(f"{PREFIX}/loops", headers=wrong) as response:
                statuses.append(response.status)
        assert statuses[0] == 401
        assert 429 in statuses
        assert (await world.client(running, "ann").get("/loops"))[0] == 200


async def test_api3_broken_object_property_level_authorization(tmp_path: Path) -> None:
    """Nobody sets what is not theirs: who did it, under which trace; unknown properties are named and refused."""
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.CONTROL)
    async with world.running() as running:
        ann = world.client(running, "ann")
        for extra in ("by", "principal", "traceId", "repo", "transport", "serviceBaseUrl"):
            status, body = await ann.post("/loops/alpha/control", {"intent": "cancel", extra: "mallory"})
            assert (status, body["error"]["code"]) == (400, "invalid_request")
            assert f"body: {extra}" in body["error"]["message"]
        wanted = {"matchers": [{"name": "loopId", "value": "x"}], "durationSeconds": 60, "createdBy": "mallory"}
        assert (await ann.post("/alerts/silences", wanted))[0] == 400
        assert (await ann.get("/loops?limit=1&fields=secret"))[0] == 400
    assert world.operations() == []
    assert world.calls == []


async def test_api4_unrestricted_resource_consumption(tmp_path: Path) -> None:
    """Bodies, headers, pages, nesting and slow senders have bounds, and streams a limit of their own."""
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running("--http-max-streams", "2", "--http-max-requests", "4") as running:
        client = world.client(running, "ann")
        big = {"intent": "cancel", "note": "x" * 100_000}
        assert (await client.post("/loops/alpha/control", big))[1]["error"]["code"] == "too_large"
        assert (await client.get("/loops?limit=1001"))[0] == 400
        assert (await client.get("/loops/alpha/events?maxEvents=1000000000"))[0] == 400
        deep = "[" * 30_000
        async with running.session.post(
            f"{PREFIX}/loops/alpha/control", data=deep, headers={**client.headers, "Content-Type": "application/json"}
        ) as response:
            assert response.status == 400
        async with running.session.get(
            f"{PREFIX}/loops", headers={**client.headers, "X-Long": "x" * 20_000}
        ) as response:
            assert response.status == 400
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(running.url, timeout=timeout, headers=client.headers) as session:
            streams = [await session.get(f"{PREFIX}/stream") for _ in range(2)]
            async with session.get(f"{PREFIX}/stream") as third:
                assert (third.status, (await third.json())["error"]["code"]) == (503, "busy")
            assert (await client.get("/loops"))[0] == 200
            for stream in streams:
                stream.close()
        assert running.process.poll() is None


async def test_api5_broken_function_level_authorization(tmp_path: Path) -> None:
    """Every route asks for its own scope: reading lets nobody act, control sets no policy, policy controls no loop."""
    world = ApiWorld(tmp_path, "alpha")
    granted = {"reader": (Scope.READ,), "operator": (Scope.CONTROL,), "planner": (Scope.POLICY,)}
    for name, scopes in granted.items():
        world.principal(name, *scopes)
    async with world.running() as running:
        for route in ROUTES:
            if not route.mutates:
                continue
            for name, scopes in granted.items():
                status, _ = await world.client(running, name).ask(
                    route.method, filled(route.path, "alpha"), json={"unknown": True}
                )
                assert status == (400 if route.scope in scopes else 403), (route.name, name)


async def test_api6_unrestricted_access_to_sensitive_business_flows(tmp_path: Path) -> None:
    """A confirmation cannot be left out, a repeated request acts once, and a page in a browser cannot send one."""
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        client = world.client(running, "ann")
        for confirm in (None, False, "true", 1):
            status, _ = await client.post("/fleet/handoff/execute", {"confirm": confirm, "everything": True})
            assert status == 400
        order = {"intent": "cancel", "confirm": False}
        for _ in range(3):
            await client.post("/loops/alpha/control", order, key="same")
        assert len(world.calls) == 1
        form = {"Content-Type": "text/plain"}
        status, body = await client.ask("POST", "/loops/alpha/control", data=json.dumps(order), headers=form)
        assert (status, body["error"]["code"]) == (415, "unsupported_media_type")
        for encoding in ("gzip", "deflate", "br", "unheard-of"):
            encoded = {"Content-Type": "application/json", "Content-Encoding": encoding}
            status, body = await client.ask("POST", "/loops/alpha/control", data=json.dumps(order), headers=encoded)
            assert (status, body["error"]["code"]) == (415, "unsupported_media_type")
        assert len(world.calls) == 1
    other = ApiWorld(tmp_path / "other", "alpha")
    async with other.running() as running:  # no token at all: what is open to this host is not open to its browsers
        origin = {"Origin": "https://evil.example.org"}
        assert (await other.client(running).ask("POST", "/loops/alpha/reconcile", json={}, headers=origin))[0] == 403
        assert (await other.client(running).post("/loops/alpha/reconcile"))[0] == 200
        assert (await other.client(running).post("/loops/alpha/control", order))[0] == 403
    assert other.calls == []


async def test_api7_server_side_request_forgery(tmp_path: Path) -> None:
    """No request names an address: requests go where registry and catalog say, and no redirect is followed."""
    world = ApiWorld(tmp_path, "alpha")
    for route in ROUTES:
        for model in (route.query, route.body):
            fields = model.model_fields if model is not None else {}
            assert not [name for name in fields if "url" in name.lower() or "host" in name.lower()]
    asked: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.close()

    inner = await asyncio.start_server(note, "127.0.0.1", 0)
    port = inner.sockets[0].getsockname()[1]
    answer = respond(302, b"", f"Location: http://127.0.0.1:{port}/secret")
    async with inner, serving(answer) as talkative:
        write_registry(world.repo, remote("away", talkative.url))
        async with world.running() as running:
            status, _ = await world.client(running).get("/loops/away/events")
            assert status == 409
    assert asked == []


async def test_api8_security_misconfiguration(tmp_path: Path) -> None:
    """No stack trace, no other origin, no method but those offered, no cache of what is private."""
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        async with running.session.options(
            f"{PREFIX}/loops",
            headers={"Origin": "https://evil.example.org", "Access-Control-Request-Method": "POST"},
        ) as response:
            assert response.status == 405
            assert response.headers["Allow"] == "GET,HEAD"
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        async with running.session.get(f"{PREFIX}/loops") as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "no-cache" in response.headers["Cache-Control"]
            assert response.headers["Content-Type"].startswith("application/json")
        world.file("registry.v1.json").write_text("{")
        status, body = await world.client(running).get("/fleet/registry")
        assert (status, list(body)) == (409, ["ok", "error"])
        assert "Traceback" not in json.dumps(body)
        assert b"Traceback" not in await raw(running, b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def test_api9_improper_inventory_management(tmp_path: Path) -> None:
    """What is served below the prefix is what the document lists; undocumented paths are not found, with or without."""
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        status, document = await running.json(f"{PREFIX}/openapi.json")
        assert status == 200
        assert {f"{PREFIX}{route.path}" for route in ROUTES} <= document["paths"].keys()
        for path in ("/api", "/api/v1", "/api/v1/", "/api/v2/loops", "/api/v1/debug", "/docs", "/admin"):
            assert (await running.json(path))[0] == 404


async def test_api10_unsafe_consumption_of_apis(tmp_path: Path) -> None:
    """What a hostile sprite answers is checked and bounded; it reaches a caller as data, and the token not at all."""
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    evil = b'{"ok": true, "result": "<script>alert(1)</script>\\u0000\\n"}'
    async with serving(respond(200, evil)) as talkative:
        write_registry(world.repo, remote("away", talkative.url))
        async with world.running() as running:
            client = world.client(running, "ann")
            assert (await client.get("/loops/away/events"))[0] == 409
            status, body = await client.post("/loops/away/control", {"intent": "cancel", "confirm": False})
            assert (status, body["ok"]) in ((200, True), (409, False))
            async with running.session.get(f"{PREFIX}/loops/away", headers=client.headers) as response:
                assert response.headers["Content-Type"].startswith("application/json")


async def raw(running: Daemon, data: bytes) -> bytes:
    """What is answered to bytes that no client would send."""
    parts = urlsplit(running.url)

    def ask() -> bytes:
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
            connection.sendall(data)
            return connection.recv(65536)

    return await asyncio.to_thread(ask)


async def test_planted_secrets_are_seen_nowhere(tmp_path: Path) -> None:
    """A principal's token and a sprite's token: not in a log, a metric, an answer, a file or the list of processes."""
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    secret = "hush-hush-sprite-token"
    echo = f'{{"ok": false, "error": {{"code": "x", "message": "you sent {secret}"}}}}'.encode()
    async with serving(respond(400, echo)) as talkative:
        write_registry(world.repo, remote("away", talkative.url))
        async with world.running("--log-level", "debug") as running:
            ann = world.client(running, "ann")
            seen = [Path(f"/proc/{running.process.pid}/cmdline").read_bytes().decode()]
            for route in ROUTES:
                if route.media == "application/json":
                    body = {"intent": "cancel", "confirm": False} if route.name == "controlLoop" else {}
                    seen.append(str(await ann.ask(route.method, filled(route.path, "away"), json=body)))
            matchers = [{"name": "loopId", "value": "away"}]
            for path, pasted in (
                ("/alerts/silences", {"matchers": matchers, "durationSeconds": 60, "comment": f"with {token}"}),
                ("/loops/away/control", {"intent": "cancel", "confirm": False, "note": token}),
            ):
                answered = await ann.post(path, pasted)
                assert answered[0] == 400
                seen.append(str(answered))
            seen.append(str(await running.metrics()))
            assert await running.ended() == 0
            seen += running.log_file.read_text().splitlines()
    seen += [path.read_text() for path in (world.repo / ".superloop").rglob("*") if path.is_file()]
    seen.append(world.principals_file.read_text())
    for text in seen:
        assert token not in text
        assert secret not in text

"""Principals and tokens over the control API: made, listed, revoked; nobody gets more than it has, or is locked out."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.access.token_format import TokenPurpose, digest_of, mint, purpose_of
from opsd.storage.audit_chain import verify
from tests.api.world import PREFIX, ApiWorld, Client

#: No look at the file comes by itself while a test runs: what takes effect does so because of the request.
NEVER = ("--http-principals-look-seconds", "3600")


def audit(world: ApiWorld) -> list[dict[str, Any]]:
    """The rows beside the principals file."""
    return [json.loads(line) for line in Path(f"{world.principals_file}.audit.jsonl").read_text().splitlines()]


async def make(client: Client, name: str, **body: Any) -> dict[str, Any]:
    """A token that has to be made."""
    status, answer = await client.post(f"/principals/{name}/tokens", body)
    assert status == 201, answer
    found: dict[str, Any] = answer
    return found


async def test_a_token_works_as_soon_as_it_was_answered_and_not_after_it_was_revoked(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running(*NEVER) as running:
        ann = world.client(running, "ann")
        made = await make(ann, "ci", scopes=["control"], loops=["al*"], expires="12h", note="laptop")
        assert purpose_of(made["secret"]) is TokenPurpose.DAEMON
        assert (made["principal"], made["scopes"], made["loops"]) == ("ci", ["control"], ["al*"])
        assert (made["token"]["state"], made["token"]["createdBy"], made["token"]["note"]) == (
            "active",
            "ann",
            "laptop",
        )
        ci = Client(running, made["secret"])
        status, who = await ci.get("/identity")
        assert (status, who["identity"]["credential"]) == (200, made["token"]["id"])
        assert (await ci.get("/loops/alpha"))[0] == 200

        second = await make(ann, "ci")  # rotation: the same rights without saying so
        status, ended = await ann.post(f"/tokens/{made['token']['id']}/revoke")
        assert (status, ended["principal"], ended["token"]["state"]) == (200, "ci", "revoked")
        assert (await ci.get("/identity"))[0] == 401
        assert (await Client(running, second["secret"]).get("/identity"))[0] == 200
        again = (await ann.post(f"/tokens/{made['token']['id']}/revoke"))[1]
        assert again["token"] == ended["token"]

    told = [(row["action"], row["by"], row["tokenId"], row["traceId"]) for row in audit(world)]
    assert told == [
        ("token_created", "ann", made["token"]["id"], made["traceId"]),
        ("token_created", "ann", second["token"]["id"], second["traceId"]),
        ("token_revoked", "ann", made["token"]["id"], ended["traceId"]),
    ]
    report = verify(f"{world.principals_file}.audit.jsonl")
    assert report is not None
    assert report.ok
    rows = [row for row in world.operations() if row["phase"] == "requested"]
    assert [row["action"] for row in rows] == ["createToken", "createToken", "revokeToken", "revokeToken"]
    assert rows[0]["target"] == {"name": "ci"}
    assert rows[2]["target"] == {"id": made["token"]["id"]}
    assert {row["principal"] for row in rows} == {"ann"}
    (seen,) = [row for row in world.operations() if row["phase"] == "seen"]
    assert (seen["target"], seen["before"]) == ({"name": "ci"}, None)
    assert seen["after"] == {"scopes": ["control"], "loops": ["al*"]}


async def test_the_list_is_the_commands(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        ann = world.client(running, "ann")
        dead = await make(ann, "ci", scopes=["read"], expires="never")
        assert (await ann.post(f"/tokens/{dead['token']['id']}/revoke"))[0] == 200
        for query, flags in (("", ()), ("?all=true", ("--all",))):
            status, shown = await ann.get(f"/principals{query}")
            command = [sys.executable, "-m", "opsd", "token", "list", "--file", str(world.principals_file), *flags]
            printed = await asyncio.to_thread(subprocess.check_output, command)
            assert (status, {"schemaVersion": "v1", **shown}) == (200, {"ok": True, **json.loads(printed)})
        ci = shown["principals"][1]
        assert [token["state"] for token in ci["tokens"]] == ["revoked"]
        assert dead["secret"] not in str(shown)
        assert digest_of(dead["secret"]) not in str(shown)


async def test_who_does_not_reach_every_loop_makes_lists_and_revokes_nothing(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    for name, loops in {"some": ("be*",), "two-stars": ("**",), "any": ("?*",), "each": ("alpha", "beta")}.items():
        world.principal(name, Scope.ADMIN, loops=loops)
    for scope in (Scope.READ, Scope.CONTROL, Scope.POLICY):
        world.principal(scope.value, scope)
    before = world.principals_file.read_bytes()
    async with world.running() as running:
        for name in world.tokens:
            client = world.client(running, name)
            for pattern in ("*", "be*"):
                wanted = {"scopes": ["admin"], "loops": [pattern]}
                assert (await client.post("/principals/mallory/tokens", wanted))[0] == 403
            assert (await client.post(f"/principals/{name}/tokens"))[0] == 403
            assert (await client.post("/tokens/tok_0000000000000000/revoke", {"self": True}))[0] == 403
            assert (await client.get("/principals"))[0] == 403
    assert world.principals_file.read_bytes() == before
    assert world.operations() == []


async def test_the_token_is_in_its_answer_and_nowhere_else(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running("--log-level", "debug") as running:
        ann = world.client(running, "ann")
        async with running.session.get(f"{PREFIX}/stream", headers=ann.headers) as stream:
            made = await make(ann, "ci", scopes=["read"])
            secret = made.pop("secret")
            assert (await Client(running, secret).get("/identity"))[0] == 200
            kept = {"Idempotency-Key": "once"}
            status, body = await ann.ask("POST", "/principals/ci/tokens", json={}, headers=kept)
            assert (status, body["error"]["code"]) == (400, "invalid_request")
            seen = [str(made), str(await ann.get("/principals?all=true")), str(await running.metrics())]
            assert (await ann.post(f"/tokens/{made['token']['id']}/revoke"))[0] == 200
            feed = b""
            while b"revokeToken" not in feed:
                feed += await stream.content.readany()
        assert b"createToken" in feed
        seen.append(feed.decode())
        assert await running.ended() == 0
        seen.append(running.log_file.read_text())
    seen += [path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in seen if secret in text]
    (asked,) = [line for line in running.logged("api.requested") if line["action"] == "createToken"]
    assert (asked["principal"], asked["name"]) == ("ann", "ci")


async def test_a_token_that_somebody_puts_in_the_wrong_place_is_not_written_down(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running("--log-level", "debug") as running:
        ann = world.client(running, "ann")
        for status, body in (
            await ann.post(f"/tokens/{token}/revoke"),
            await ann.post(f"/principals/{token}/tokens", {"scopes": ["read"]}),
            await ann.post(f"/principals/a.{token}/tokens", {"scopes": ["read"]}),
            await ann.post("/principals/ci/tokens", {"scopes": ["read"], "note": f"was {token}"}),
            await ann.post("/principals/ci/tokens", {"scopes": ["read"], "loops": [token]}),
        ):
            assert (status, body["error"]["code"]) == (400, "invalid_request"), body
            assert token not in str(body)
        assert await running.ended() == 0
        assert token not in running.log_file.read_text()
    assert world.operations() == []


async def test_the_token_that_asks_ends_only_when_that_is_meant(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running(*NEVER) as running:
        ann = world.client(running, "ann")
        own = (await ann.get("/identity"))[1]["identity"]["credential"]
        status, body = await ann.post(f"/tokens/{own}/revoke")
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert "self: true" in body["error"]["message"]
        next_one = Client(running, (await make(ann, "ann"))["secret"])
        status, body = await ann.post(f"/tokens/{own}/revoke", {"self": True})
        assert (status, body["token"]["state"]) == (200, "revoked")
        assert (await ann.get("/identity"))[0] == 401
        assert (await next_one.get("/principals"))[0] == 200


#: Name, body, and what is answered.
SENSELESS: list[tuple[str, dict[str, Any], int, str]] = [
    ("ci", {}, 409, "scopes are required: there is no principal ci yet"),
    ("api_token", {"scopes": ["read"]}, 409, "name: the name api_token is reserved"),
    ("ci", {"scopes": ["admin"], "purpose": "sprite"}, 409, "a sprite service knows the scopes read and control only"),
    ("ci", {"scopes": ["read"], "expires": "0d"}, 409, "expires must be like 12h, 30d or never, not 0d"),
    ("ann", {"scopes": ["read"]}, 409, "principal ann has live tokens with scopes admin and loops *"),
    ("a b", {"scopes": ["read"]}, 400, "path: name has a form that none can have"),
    ("-ci", {"scopes": ["read"]}, 400, "path: name has a form that none can have"),
    ("x" * 65, {"scopes": ["read"]}, 400, "path: name has a form that none can have"),
    ("ci", {"scopes": ["root"]}, 400, "body: scopes.0: "),
    ("ci", {"scopes": ["read"], "expires": "soon"}, 400, "body: expires: "),
    ("ci", {"scopes": ["read"], "expires": None}, 400, "body: expires: "),
    ("ci", {"scopes": ["read"], "loops": ["a\nb"]}, 400, "body: loops.0: "),
    ("ci", {"scopes": ["read"], "loops": ["x"] * 65}, 400, "body: loops: "),
    ("ci", {"scopes": ["read"], "note": "x" * 201}, 400, "body: note: "),
    ("ci", {"scopes": ["read"], "by": "mallory"}, 400, "body: by: is not known"),
    ("ci", {"scopes": ["read"], "sha256": "0" * 64}, 400, "body: sha256: is not known"),
]


async def test_what_makes_no_sense_is_refused_and_named(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    before = world.principals_file.read_bytes()
    async with world.running() as running:
        ann = world.client(running, "ann")
        for name, body, status, message in SENSELESS:
            found = await ann.post(f"/principals/{name}/tokens", body)
            assert found[0] == status, found
            assert found[1]["error"]["message"].startswith(message)
    assert world.principals_file.read_bytes() == before


async def test_an_unknown_token_cannot_be_revoked(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        ann = world.client(running, "ann")
        status, body = await ann.post("/tokens/tok_ffffffffffffffff/revoke")
        assert (status, body["error"]["code"]) == (404, "not_found")
        assert (await ann.post("/tokens/tok_1/revoke"))[0] == 400


async def test_a_third_live_token_is_refused_and_the_two_are_named(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        ann = world.client(running, "ann")
        second = await make(ann, "ann")
        status, body = await ann.post("/principals/ann/tokens")
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert second["token"]["id"] in body["error"]["message"]


async def test_a_sprites_token_is_made_here_and_opens_nothing_here(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        made = await make(world.client(running, "ann"), "vm", scopes=["control"], purpose="sprite")
        assert purpose_of(made["secret"]) is TokenPurpose.SPRITE
        assert (await Client(running, made["secret"]).get("/identity"))[0] == 401


@pytest.mark.parametrize("damage", ["truncated", "gone", "writable"])
async def test_a_file_that_is_not_in_force_is_left_alone(tmp_path: Path, damage: str) -> None:
    """Also one that was deleted: a new one with one principal in it would lock all others out."""
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    file = world.principals_file
    async with world.running() as running:
        ann = world.client(running, "ann")
        if damage == "truncated":
            file.write_text("{")
        elif damage == "gone":
            file.unlink()
        else:
            file.chmod(0o620)
            file.write_bytes(file.read_bytes() + b"\n")
        before = file.read_bytes() if file.exists() else None
        for status, body in (
            await ann.post("/principals/ci/tokens", {"scopes": ["read"]}),
            await ann.post("/tokens/tok_ffffffffffffffff/revoke"),
            await ann.get("/principals"),
        ):
            assert (status, body["error"]["code"]) == (500, "manager_file")
            assert body["error"]["message"].startswith(f"principals file {file}: ")
        assert (await ann.get("/loops"))[0] == 200
    assert (file.read_bytes() if file.exists() else None) == before


async def test_without_a_principals_file_there_is_nothing_to_change(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = mint(TokenPurpose.DAEMON, lambda bound: bound // 3)
    (tmp_path / "api-token").write_text(token)
    async with world.running("--http-api-token-file", str(tmp_path / "api-token")) as running:
        client = Client(running, token)
        for status, body in (
            await client.get("/principals"),
            await client.post("/principals/ci/tokens", {"scopes": ["read"]}),
            await client.post("/tokens/tok_ffffffffffffffff/revoke"),
        ):
            assert (status, body["error"]["code"]) == (409, "conflict")
            assert body["error"]["message"] == "there are no principals here: http.principals_file is not set"


async def test_nothing_of_it_is_open_on_loopback(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        nobody = world.client(running)
        assert (await nobody.get("/loops"))[0] == 200
        assert (await nobody.get("/principals"))[0] == 403
        assert (await nobody.post("/principals/ci/tokens", {"scopes": ["read"]}))[0] == 403
        assert (await nobody.post("/tokens/tok_ffffffffffffffff/revoke"))[0] == 403


async def test_the_audit_of_tokens_is_checked_with_the_others(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    log = Path(f"{world.principals_file}.audit.jsonl")
    async with world.running() as running:
        ann = world.client(running, "ann")

        async def verdict() -> tuple[bool, str]:
            audited = (await ann.get("/audit"))[1]["audit"]
            (found,) = [one["status"] for one in audited["logs"] if one["file"] == str(log)]
            return audited["ok"], found

        assert await verdict() == (True, "absent")
        await make(ann, "ci", scopes=["read"])
        await make(ann, "ci", scopes=["read"])
        assert await verdict() == (True, "intact")
        log.write_text(log.read_text().replace("ann", "eve", 1))
        assert await verdict() == (False, "broken")


async def test_rights_that_were_edited_by_hand_take_effect_and_leave_a_trace(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    world.principal("dash", Scope.READ)
    async with world.running() as running:
        document = json.loads(world.principals_file.read_text())
        document["principals"][1]["scopes"] = ["admin"]
        world.principals_file.write_text(json.dumps(document))

        async def is_admin() -> bool:
            return (await world.client(running, "dash").get("/principals"))[0] == 200

        async def is_told() -> bool:
            return bool(world.operations())

        await running.until(is_admin)
        await running.until(is_told)
        (line,) = running.logged("principals.rights_changed")
        assert (line["name"], line["scopes_before"], line["scopes"]) == ("dash", ["read"], ["admin"])
        assert "principal" not in line
    (row,) = world.operations()
    assert (row["phase"], row["action"], row["principal"]) == ("seen", "principalRights", None)
    assert row["after"] == {"scopes": ["admin"], "loops": ["*"]}
    assert world.opsd("audit", "verify").returncode == 0


async def test_tokens_that_are_made_at_the_same_time_are_all_kept_and_never_more_than_two_for_one(
    tmp_path: Path,
) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        ann = world.client(running, "ann")
        wanted = [f"p{number}@example.org" for number in range(6)] + ["one"] * 6
        made = await asyncio.gather(*(ann.post(f"/principals/{name}/tokens", {"scopes": ["read"]}) for name in wanted))
        assert sorted(status for status, _ in made) == [201] * 8 + [409] * 4
        assert {status for status, _ in made[:6]} == {201}
        for status, body in made:
            if status == 201:
                assert (await Client(running, body["secret"]).get("/identity"))[0] == 200
        assert (await ann.get("/audit"))[1]["audit"]["ok"] is True
    assert len(audit(world)) == 8


async def test_the_first_principal_can_be_made_with_the_shared_token(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = mint(TokenPurpose.DAEMON, lambda bound: bound // 3)
    (tmp_path / "api-token").write_text(token)
    world.principals_file.write_text('{"schemaVersion": "v1", "principals": []}')
    flags = ["--http-api-token-file", str(tmp_path / "api-token")]
    async with world.running(*flags, "--http-principals-file", str(world.principals_file)) as running:
        made = await make(Client(running, token), "ann", scopes=["admin"])
        assert (await Client(running, made["secret"]).get("/principals"))[0] == 200
    assert [(row["action"], row["by"]) for row in audit(world)] == [("token_created", "api_token")]

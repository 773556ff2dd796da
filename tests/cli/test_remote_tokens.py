"""``opsd token --server``: tokens of a daemon's principals; the token itself goes to stdout and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

from opsd.access.model import Scope
from opsd.access.token_format import TokenPurpose, purpose_of
from tests.api.world import ApiWorld, Client
from tests.cli.process import on_a_terminal, opsd


async def test_a_token_is_made_listed_and_revoked_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    here = ("--file", str(world.principals_file))
    async with world.running() as running:
        env["OPSD_SERVER"] = running.url
        flags = ("--scope", "read", "--loops", "al*", "--expires", "1d12h", "--note", "laptop [b]")
        made = await opsd("token", "new", "--principal", "ci", *flags, env=env)
        assert (made.returncode, made.stderr, made.stdout.count("\n")) == (0, "", 1)
        secret = made.stdout.strip()
        assert purpose_of(secret) is TokenPurpose.DAEMON
        assert (await Client(running, secret).get("/loops/alpha"))[0] == 200
        listed, local = await opsd("token", "list", env=env), await opsd("token", "list", *here)
        assert (listed.returncode, listed.stdout) == (0, local.stdout)
        page, local_page = await on_a_terminal("token", "list", env=env), await on_a_terminal("token", "list", *here)
        assert page == local_page
        assert "laptop [b]" in page[1]
        token = next(one for one in json.loads(listed.stdout)["principals"] if one["name"] == "ci")["tokens"][0]
        assert token["createdBy"] == "ann"
        ended = await opsd("token", "revoke", "--id", token["id"], env=env)
        assert (json.loads(ended.stdout)["token"]["state"], ended.stderr) == ("revoked", "")
        code, told = await on_a_terminal("token", "revoke", "--id", token["id"], env=env)
        assert (code, told) == (0, f"{token['id']} of ci is revoked\n")
        assert (await Client(running, secret).get("/identity"))[0] == 401
        everything = await opsd("token", "list", "--all", env=env)
        assert everything.stdout == (await opsd("token", "list", "--all", *here)).stdout
        assert secret not in everything.stdout
    assert secret not in running.log_file.read_text()


async def test_the_token_that_lets_one_in_is_ended_only_when_that_is_said(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        env["OPSD_SERVER"] = running.url
        own = json.loads((await opsd("token", "list", env=env)).stdout)["principals"][0]["tokens"][0]["id"]
        refused = await opsd("token", "revoke", "--id", own, env=env)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "this request came with that token" in refused.stderr
        assert (await opsd("token", "revoke", "--id", own, "--self", env=env)).returncode == 0
        assert (await opsd("token", "list", env=env)).stderr == (
            "error: missing or invalid token; "
            "a token is taken from OPSD_API_TOKEN, or from the file that OPSD_API_TOKEN_FILE or the profile names\n"
        )


async def test_what_cannot_be_meant_is_told_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    here = ("--file", str(world.principals_file))
    async with world.running() as running:
        for flags in (
            ("new",),
            ("new", "--principal", "a b"),
            ("new", "--principal", "a", "--scope", "root"),
            ("new", "--principal", "a", "--for", "everybody"),
            ("new", "--principal", "a", "--expires", "soon"),
            ("new", "--principal", "a", "--loops", ""),
            ("revoke",),
            ("revoke", "--id", "tok_ffffffffffffffff"),
        ):
            remote = await opsd("token", *flags, "--server", running.url, env=env)
            local = await opsd("token", *flags, *here)
            assert (remote.returncode, remote.stdout, remote.stderr) == (1, "", local.stderr), flags
        for flags in (("new", "--principal", "a"), ("revoke", "--id", "../principals")):
            refused = await opsd("token", *flags, "--server", running.url, env=env)
            assert (refused.returncode, refused.stdout) == (1, ""), flags
        by = await opsd("token", "new", "--principal", "a", "--by", "bob", "--server", running.url, env=env)
        assert by.stderr.endswith("the principal of the token is who does it\n")
        file = await opsd("token", "list", *here, "--server", running.url, env=env)
        assert "names a file of this host" in file.stderr
        # The variable alone does not outweigh a file that is named.
        assert (await opsd("token", "list", *here, env={"OPSD_SERVER": "http://127.0.0.1:1"})).returncode == 0

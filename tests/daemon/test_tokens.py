"""Tokens of the principals file and the running daemon: made and revoked by command, and never seen again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from opsd.access.token_format import mint
from tests.access.factories import TokenPurpose
from tests.daemon.support import PATIENCE_S, Daemon, LiveLoop, daemon


async def token_command(*argv: object) -> str:
    """What ``opsd token`` prints."""
    command = [sys.executable, "-m", "opsd", "token", *map(str, argv)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


async def make(file: Path, principal: str, *scopes: str, loops: str = "*") -> str:
    """A new token."""
    flags = [flag for scope in scopes for flag in ("--scope", scope)]
    return await token_command("new", "--file", file, "--principal", principal, *flags, "--loops", loops, "--by", "ann")


async def ask(running: Daemon, token: str, path: str = "/v1/loops", method: str = "GET") -> int:
    """The status of one request with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with running.session.request(method, path, headers=headers) as response:
        return response.status


def flags(file: Path) -> list[str]:
    return ["--http-principals-file", str(file), "--http-principals-look-seconds", "0.05", "--log-level", "debug"]


async def test_a_token_works_until_it_is_revoked_and_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    loop, file = LiveLoop(tmp_path / "repo"), tmp_path / "etc" / "principals.json"
    reader, operator = await make(file, "dash", "read"), await make(file, "ann", "control", loops="de*")
    async with daemon(loop.repo, *flags(file)) as running:

        async def answers(token: str, status: int) -> None:
            async def so() -> bool:
                return await ask(running, token) == status

            await running.until(so)

        assert (await running.json("/v1/loops"))[0] == 401
        assert await ask(running, reader) == 200
        assert await ask(running, reader, "/v1/loops/demo/reconcile", "POST") == 403
        assert await ask(running, operator, "/v1/loops/demo/reconcile", "POST") == 202
        (asked,) = running.logged("http.reconcile_requested")
        assert asked["principal"] == "ann"
        assert asked["credential"].startswith("tok_")

        late = await make(file, "late", "read")
        await answers(late, 200)
        listed = json.loads(await token_command("list", "--file", file))
        (gone,) = [one["tokens"][0]["id"] for one in listed["principals"] if one["name"] == "dash"]
        await token_command("revoke", "--file", file, "--id", gone, "--by", "ann")
        await answers(reader, 401)
        assert running.logged("http.token_refused")[-1]["reason"] == "revoked"

        good = file.read_bytes()
        file.write_text("{")

        async def told() -> bool:
            reasons = (await running.json("/readyz"))[1]["reasons"]
            return "the principals file on disk cannot be used, the last good one is in force" in reasons

        await running.until(told)
        assert await ask(running, late) == 200
        assert (await running.metrics())["opsd_principals_last_reload_successful"] == 0
        file.write_bytes(good)

        async def repaired() -> bool:
            return (await running.json("/readyz"))[1]["reasons"] == []

        await running.until(repaired)
        assert await running.ended() == 0


async def test_a_file_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opsd", "run", "--repo", str(tmp_path), "--http-port", "0"]
    missing = tmp_path / "principals.json"
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--http-principals-file", str(missing)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: principals file {missing}: not found"


async def test_planted_tokens_appear_nowhere(tmp_path: Path) -> None:
    loop, file = LiveLoop(tmp_path / "repo"), tmp_path / "etc" / "principals.json"
    good = await make(file, "ann", "admin")
    planted = [good, *(mint(purpose, lambda bound: bound // 7) for purpose in TokenPurpose)]
    seen: list[str] = []
    async with daemon(loop.repo, *flags(file)) as running:
        for token in planted:
            for path in ("/v1/loops", f"/v1/loops/{token}", f"/v1/loops/x?token={token}", f"/{token}"):
                for headers in ({"Authorization": f"Bearer {token}"}, {"X-Ops-Token": token, "Origin": token}):
                    async with running.session.get(path, headers=headers) as response:
                        seen.append(f"{response.headers} {await response.text()}")
            reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
            writer.write(
                f"GET /v1/loops HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff{token}\r\n\r\n".encode("latin-1")
            )
            seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.close()
        async with running.session.get("/metrics") as response:
            seen.append(await response.text())
        of_process = Path(f"/proc/{running.process.pid}")
        seen += [(of_process / part).read_bytes().decode("utf-8", "replace") for part in ("cmdline", "environ")]
        assert await running.ended() == 0
        seen.append(running.log_file.read_text())
    every: list[Any] = [*tmp_path.rglob("*")]
    seen += [path.read_text("utf-8", "replace") for path in every if path.is_file()]
    assert not [text for text in seen if any(token in text for token in planted)]

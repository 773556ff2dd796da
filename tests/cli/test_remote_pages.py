"""``opsd --server`` on a terminal: a person sees the page of the command on the host, leading back to the server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from opsd.access.model import Scope
from opsd.cli.remote.command import RemoteCommand
from opsd.cli.remote.table import COMMANDS
from tests.api.world import ApiWorld
from tests.cli.process import on_a_terminal

#: What differs between two looks: moments, ages, trace ids, hashes.
_VARIES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z|\b\d+(\.\d+)? s\b|ops-[\w-]+|\b[0-9a-f]{32,64}\b|\b[0-9a-f]{8}-[\w-]+")


def alike(page: str) -> str:
    """A page without what varies, and without the padding that makes up for its length."""
    return re.sub(" +", " ", _VARIES.sub("~", page))


async def test_a_page_through_the_server_is_the_page_of_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    world.critical_journal("alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    repo = ("--repo", str(world.repo))
    async with world.running() as running:
        there = ("--server", running.url)

        async def both(*argv: str) -> tuple[str, str]:
            remote = await on_a_terminal(*argv, *there, env=env)
            local = await on_a_terminal(*argv, *repo)
            assert remote[0] == local[0], (remote, local)
            return alike(remote[1]), alike(local[1])

        async def same(*argv: str) -> str:
            remote, local = await both(*argv)
            while (again := alike((await on_a_terminal(*argv, *there, env=env))[1])) != remote:  # a pass came between
                remote, local = await both(*argv)
            assert remote == local.replace(f"--repo {world.repo}", f"--server {running.url}")
            return again

        remote, local = await both("fleet", "reconcile")
        assert "alpha" in remote
        assert "{" not in remote
        assert remote.splitlines()[3].split() == local.splitlines()[3].split()
        remote, local = await both("fleet", "policy")  # the second evaluation knows of the first
        assert f"opsd fleet explain --server {running.url} " in remote
        assert f"opsd fleet explain --repo {world.repo} " in local
        assert "alpha" in await same("fleet", "explain", "alpha")
        assert f"opsd fleet handoff --server {running.url}" in await same("fleet", "status")
        planned = await same("fleet", "handoff")
        assert f"opsd fleet handoff --server {running.url} --execute --confirm --intent-id" in planned
        assert "waits for you" in await same("fleet", "status")
        for argv in (
            ("fleet", "registry"),
            ("status", "--loop", "beta"),
            ("health", "--loop", "alpha"),
            ("snapshot", "--loop", "beta"),
            ("telemetry-summary", "--loop", "beta"),
            ("confirm-intent", "--loop", "beta", "--intent", "cancel", "--timeout-seconds", "0"),
            ("promotion", "gates"),
            ("alerts", "silence", "list"),
            ("alerts", "dispatch", "--loop", "beta", "--list-dead-letters"),
        ):
            assert "{" not in await same(*argv), argv
        code, audit = await on_a_terminal("audit", "verify", *there, env=env)
        assert (code, audit.splitlines()[-1]) == (0, "the audit is in order")


async def test_what_is_done_through_the_server_is_told_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        there = ("--server", running.url)
        for argv, first in (
            (("project-state", "--loop", "alpha"), "loop alpha  "),
            (("reconcile", "--loop", "alpha"), "loop alpha  "),
            (("control", "--loop", "alpha", "--intent", "cancel", "--no-confirm"), "cancel alpha  "),
            (("events", "--loop", "alpha", "--from-start"), "no events behind the cursor"),
            (("threshold-profile",), "profile balanced  "),
            (("fleet", "kill-switch", "--engage"), "kill switch  on: nothing is dispatched autonomously"),
            (("fleet", "reconcile"), "fleet "),
            (("fleet", "policy"), "fleet "),
            (("promotion", "ci"), "promotion  "),
            (("promotion", "orchestrate", "--mode", "dry_run"), "promotion  preview"),
            (("promotion", "controller"), "controller  proposed"),
            (("horizon-bridge",), "horizon bridge  ok"),
        ):
            _code, page = await on_a_terminal(*argv, *there, env=env)
            assert page.startswith(first), (argv, page)
            assert "{" not in page
            assert "--repo" not in page.replace(f"--repo {world.repo}", ""), page


async def test_an_intent_that_failed_is_told_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.runtime.write_text("#!/bin/sh\nexit 3\n")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        asked = ("control", "--loop", "alpha", "--intent", "approve", "--server", running.url)
        code, page = await on_a_terminal(*asked, env=env)
        assert (code, page.splitlines()[0].split(" · ")[0]) == (1, "approve alpha  failed_command"), page
        assert f"opsd confirm-intent --server {running.url} --loop alpha --intent approve" in page
        assert "Safe retry" in page


def test_every_answer_has_a_page() -> None:
    """What a person is shown as JSON would be shown so at three in the morning."""
    without = [name for name, command in COMMANDS.items() if isinstance(command, RemoteCommand) and not command.present]
    assert [name for name in without if getattr(COMMANDS[name], "talk", None) is None] == []


async def test_a_silence_is_told_in_a_line_and_listed_in_a_table(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        env["OPSD_SERVER"] = running.url
        silence = ("alerts", "silence")
        code, added = await on_a_terminal(
            *silence, "add", "--matcher", "loopId=~al.*", "--duration", "2h", "--comment", "a [b]\x1b", env=env
        )
        assert code == 1  # no control characters reach the server
        code, added = await on_a_terminal(
            *silence, "add", "--matcher", "loopId=~al.*", "--duration", "2h", "--comment", "a [b]", env=env
        )
        assert (code, " is active: loopId=~al.*, until " in added) == (0, True), added
        listed, local = await asyncio.gather(
            on_a_terminal(*silence, "list", env=env),
            on_a_terminal(*silence, "list", "--repo", str(world.repo)),
        )
        assert listed == local
        assert "a [b]" in listed[1]


async def test_what_did_not_end_well_is_confirmed_over_the_server_with_a_key_of_its_own(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.critical_journal("alpha")
    world.runtime.write_text("#!/bin/sh\nexit 3\n")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        env["OPSD_SERVER"] = running.url
        for step in ("reconcile", "policy", "handoff"):
            assert (await on_a_terminal("fleet", step, env=env))[0] == 0
        code, page = await on_a_terminal("fleet", "handoff", "--execute", "--confirm", env=env)
        assert code == 0, page
        assert " 2 failed" in page
        command = next(line for line in page.splitlines() if "--intent-id" in line).split()
        assert command[-1] == "--anew"
        assert command[:4] == ["opsd", "fleet", "handoff", "--server"]
        code, again = await on_a_terminal(*command[1:], env=env)
        assert (code, " 1 failed" in again) == (0, True), again


async def test_pretty_is_the_document_on_a_terminal_too(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    env = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN)}
    async with world.running() as running:
        code, shown = await on_a_terminal("fleet", "registry", "--pretty", "--server", running.url, env=env)
        assert (code, shown[:2]) == (0, "{\n")

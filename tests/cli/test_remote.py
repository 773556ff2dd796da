"""``opsd --server``: the same document and exit code through a daemon's API as on the manager's host."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.access.model import Scope
from opsd.api.routes.system import openapi_route
from opsd.api.table import ROUTES
from opsd.cli.host_only import HOST_ONLY
from opsd.cli.main import main, table
from opsd.cli.remote.command import present_of, spec_of
from opsd.cli.remote.run import wanted_server
from opsd.cli.remote.table import COMMANDS
from tests.api.world import ApiWorld
from tests.cli.process import opsd

#: Not of the API, but beside it.
_PROBE = "GET /readyz"
#: Routes that no command asks, and why not.
_UNASKED = {
    "GET /openapi.json": "the API's own description, for programs",
}


#: Commands under another name.
_SPELT = {"poll-events": "events"}


def _asked() -> set[str]:
    return {route for command in COMMANDS.values() for route in (command.route, *command.also)}


def test_every_command_asks_a_route_that_there_is() -> None:
    known = {f"{route.method} {route.path}" for route in ROUTES}
    assert _asked() <= known | {_PROBE}


def test_every_command_has_a_route_or_a_reason_why_it_has_none() -> None:
    alone = {name for name in table() if not any(f"{one} ".startswith(f"{name} ") for one in COMMANDS)}
    assert alone == HOST_ONLY.keys()


def test_every_route_is_asked_by_a_command_or_has_a_reason_why_it_is_not() -> None:
    known = {f"{route.method} {route.path}" for route in (*ROUTES, openapi_route({}))}
    assert known - _asked() == _UNASKED.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_of_a_client_is_one_of_the_command(name: str) -> None:
    command = COMMANDS[name]
    spec = spec_of(command.spec)
    assert spec.name == f"opsd {_SPELT.get(name, name)}"
    assert all(spec.declares(flag) for flag in command.flags)
    present = getattr(command, "present", "")
    assert not present or callable(present_of(present))


@pytest.mark.parametrize(
    "command", ["status --loop web-1", "loops", "whoami", "fleet status", "control --loop web-1 --intent cancel"]
)
async def test_who_asks_a_server_waits_for_no_model_library(command: str) -> None:
    heavy = "{'pydantic', 'aiohttp', 'rich', 'structlog'}"
    argv = [*command.split(), "--server", "http://127.0.0.1:1"]
    program = f"import sys; from opsd.cli.main import main; main({argv!r}); print({heavy} & sys.modules.keys())"
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "no answer from http://127.0.0.1:1" in ended.stderr
    assert ended.stdout == "set()\n"


def test_the_page_lists_every_command_with_its_route() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for name, command in COMMANDS.items():
        assert f"| `opsd {name}` | `{command.route}` |" in page


@pytest.mark.parametrize("command", HOST_ONLY)
def test_a_command_that_cannot_refuses_with_its_reason(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--server", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == f"error: opsd {command} works on this host only: {HOST_ONLY[command]}\n"


def test_flags_that_would_be_ignored_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--server", "http://127.0.0.1:1", "--loop", "a", "--state-file", "x"]) == 1
    assert main(["status", "--server", "http://127.0.0.1:1", "--loop", "a", "--repo", "x"]) == 1
    assert main(["fleet", "pause", "--server", "http://127.0.0.1:1", "--by", "bob"]) == 1
    assert main(["promotion", "gates", "--server", "http://127.0.0.1:1", "--trace-id", "t"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: --state-file cannot be combined with --server: it names a file of this host, the server has its own",
        "error: --repo cannot be combined with --server: the server's own is meant",
        "error: --by cannot be combined with --server: the principal of the token is who does it",
        "error: --trace-id cannot be combined with --server: the server gives every request a trace id of its own",
    ]


def test_a_refusal_names_the_variable_that_named_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSD_SERVER", "http://127.0.0.1:1")
    assert main(["fleet", "pause", "--by", "bob"]) == 1
    assert capsys.readouterr().err.startswith("error: --by cannot be combined with OPSD_SERVER: ")


def test_a_repo_says_that_this_host_is_meant_whatever_the_variable_says() -> None:
    env = {"OPSD_SERVER": "http://127.0.0.1:1"}
    assert wanted_server("config show", ["--repo=/srv"], env) == (None, ["--repo=/srv"])
    assert wanted_server("fleet status", ["--repo", "/srv"], env) == (None, ["--repo", "/srv"])
    assert wanted_server("fleet status", [], env) == (env["OPSD_SERVER"], [])
    assert wanted_server("run", [], env) == (None, [])
    for name, flag in (("ping", "--http-port"), ("alerts resolve", "--config-file"), ("config check", "--config")):
        assert wanted_server(name, [flag, "x"], env) == (None, [flag, "x"])
        assert wanted_server(name, [], env)[0] == env["OPSD_SERVER"]


def test_what_stands_where_a_value_does_is_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["control", "--note", "--server", "--loop", "a"]) == 1
    assert main(["snapshot", "--loop", "--server"]) == 1
    assert capsys.readouterr().err.splitlines() == ["error: --repo is required"] * 2
    assert main(["status", "--server"]) == 1
    assert capsys.readouterr().err == "error: --server requires a value\n"


def test_a_token_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPSD_API_TOKEN", "hush-hush")
    assert main(["fleet", "status", "--server", "http://ops.example.org:9464"]) == 1
    said = capsys.readouterr().err
    assert "use https" in said
    assert "hush-hush" not in said


async def test_a_command_prints_and_ends_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running() as running:

        async def has_passed() -> bool:
            return bool(running.logged("pass.finished"))

        await running.until(has_passed)
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        remote, local = await asyncio.gather(
            opsd("fleet", "registry", env=env), opsd("fleet", "registry", "--repo", str(world.repo))
        )
        assert (remote.returncode, remote.stderr) == (0, "")
        assert remote.stdout == local.stdout
        status = await opsd("status", "--loop", "alpha", "--pretty", env=env)
        assert json.loads(status.stdout)["source"]["loopId"] == "alpha"
        audit = await opsd("audit", "verify", env=env)
        assert (audit.returncode, json.loads(audit.stdout)["ok"]) == (0, True)
        passed = await opsd("reconcile", "--loop", "alpha", env=env)
        assert json.loads(passed.stdout)["health"]["status"]
        world.runtime.write_text("#!/bin/sh\nexit 3\n")
        refused = await opsd("control", "--loop", "alpha", "--intent", "approve", env=env)
        assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "failed_command")
        nobody = await opsd("status", "--loop", "nobody", env=env)
        assert (nobody.returncode, nobody.stdout, nobody.stderr) == (1, "", "error: no such loop\n")


async def test_a_profile_names_server_and_token_file_and_levers_silences_and_plans_work(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    (tmp_path / "token").write_text(world.principal("ann", Scope.ADMIN))
    async with world.running() as running:
        folder = tmp_path / "config" / "opsd"
        folder.mkdir(parents=True)
        (folder / "servers.toml").write_text(f'[here]\nurl = "{running.url}"\ntoken_file = "{tmp_path / "token"}"\n')
        env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

        async def here(*argv: str) -> subprocess.CompletedProcess[str]:
            return await opsd(*argv, "--server", "here", env=env)

        paused = await here("fleet", "pause", "--note", "storm")
        assert json.loads(paused.stdout)["after"] is True
        assert json.loads((await here("fleet", "resume")).stdout)["after"] is False
        assert json.loads((await here("fleet", "kill-switch", "--engage")).stdout)["changed"] is True
        added = await here("alerts", "silence", "add", "--matcher", "loopId=alpha", "--duration", "2h")
        silence = json.loads(added.stdout)
        assert silence["createdBy"] == "ann"
        listed = json.loads((await here("alerts", "silence", "list")).stdout)
        assert [one["id"] for one in listed["silences"]] == [silence["id"]]
        ended = await here("alerts", "silence", "expire", "--id", silence["id"])
        assert json.loads(ended.stdout)["state"] == "expired"
        letters = await here("alerts", "dispatch", "--loop", "alpha", "--list-dead-letters")
        assert json.loads(letters.stdout)["count"] == 0
        assert (await here("fleet", "handoff")).stderr == "error: there is no policy state of the fleet yet\n"
        assert (await opsd("fleet", "status", "--server", "there", env=env)).returncode == 1


async def test_a_lever_by_command_is_in_the_same_audit(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    done = await opsd("fleet", "kill-switch", "--engage", "--by", "bob", "--repo", str(world.repo))
    assert done.returncode == 0, done.stderr
    requested, ended = world.operations()
    assert (requested["principal"], requested["action"], requested["request"]["engaged"]) == (
        "bob",
        "setKillSwitch",
        True,
    )
    assert ended["status"] == 200

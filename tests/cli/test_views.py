"""The commands that show what a running daemon knows: of this host's, and of one that is named."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.api.table import ROUTES
from opsd.cli.client.api_client import ApiRequest, Server
from opsd.cli.client.views import Asked
from opsd.cli.loop import loops
from opsd.cli.main import main
from opsd.cli.remote.views import COMMANDS
from opsd.contract.errors import OpsError
from tests.api.world import ApiWorld
from tests.cli.process import opsd
from tests.ports import free_port


async def shown(*argv: str, env: dict[str, str]) -> Any:
    """The document that a command prints."""
    done = await opsd(*argv, env={"OPSD_CONFIG": os.devnull, **env})
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_every_view_asks_routes_that_there_are() -> None:
    known = {f"{route.method} {route.path}" for route in ROUTES}
    assert {route for command in COMMANDS.values() for route in (command.route, *command.also)} <= known


async def test_every_view_shows_what_this_hosts_daemon_knows(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta", "gamma")
    world.critical_journal("gamma")
    here = {"OPSD_API_TOKEN": world.principal("ann", Scope.ADMIN), "OPSD_HTTP__PORT": str(free_port())}
    async with world.running("--http-port", here["OPSD_HTTP__PORT"]) as running:
        ann = world.client(running, "ann")

        async def all_were_looked_at() -> bool:
            views = (await ann.get("/loops"))[1]["loops"]
            return len(views) == 3 and all(view["healthStatus"] for view in views)

        await running.until(all_were_looked_at)
        assert (await ann.post("/fleet/reconcile"))[0] == 200
        assert (await ann.post("/fleet/policy"))[0] == 200
        found = await asyncio.gather(
            shown("loops", env=here),
            shown("loops", "--health", "healthy", "--limit", "1", env=here),
            shown("loops", "--loop", "gamma", env=here),
            shown("escalations", "--loop", "gamma", env=here),
            shown("alerts", "dead-letters", env=here),
        )
        everything, limited, gamma, escalated, letters = found
        assert [view["loopId"] for view in everything["loops"]] == ["alpha", "beta", "gamma"]
        assert everything["nextCursor"] is None
        assert [[view["loopId"] for view in limited["loops"]], limited["nextCursor"]] == [["alpha"], "alpha"]
        assert gamma["lastFailure"]["code"] == "snapshot_unavailable"
        assert (escalated["loopId"], escalated["escalations"][0]["category"]) == ("gamma", "health_degraded")
        assert letters == {"schemaVersion": "v1", "loops": []}
        some, none, promotion, who, behind = await asyncio.gather(
            shown("fleet", "candidates", "--loop", "gamma", env=here),
            shown("fleet", "candidates", "--category", "control_ambiguous", "--eligible", "true", env=here),
            shown("promotion", "state", env=here),
            shown("whoami", env=here),
            shown("loops", "--cursor", "alpha", "--health", "healthy", env=here),
        )
        assert {one["loopId"] for one in some["candidates"]} == {"gamma"}
        assert (none["candidates"], none["mode"]) == ([], "guarded_auto")
        assert promotion.keys() == {"schemaVersion", "decision", "apply", "controller"}
        assert who == {
            "schemaVersion": "v1",
            "name": "ann",
            "scopes": ["admin"],
            "loops": ["*"],
            "credential": "tok_0000000000000000",
        }
        assert [view["loopId"] for view in behind["loops"]] == ["beta"]


async def test_a_server_that_is_named_is_asked_with_its_principals_rights(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha", "beta")
    token = world.principal("bob", Scope.READ, loops=("be*",))
    async with world.running() as running:
        env = {"OPSD_API_TOKEN": token, "OPSD_HTTP__PORT": "1"}
        named = ("--server", running.url)
        who, listed = await asyncio.gather(shown("whoami", *named, env=env), shown("loops", *named, env=env))
        assert (who["name"], who["scopes"], who["loops"]) == ("bob", ["read"], ["be*"])
        assert [view["loopId"] for view in listed["loops"]] == ["beta"]
        refused, unknown, elsewhere, nobody = await asyncio.gather(
            opsd("promotion", "state", *named, env=env),
            opsd("loops", *named, env={"OPSD_API_TOKEN": "opsd_wrong"}),
            opsd("loops", *named, "--config", "x", env=env),
            opsd("loops", env={"OPSD_HTTP__PORT": "1", "OPSD_CONFIG": os.devnull}),
        )
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "read" in refused.stderr
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "opsd_wrong" not in unknown.stderr
        assert elsewhere.stderr.startswith("error: --config cannot be combined with --server")
        assert nobody.stderr == "error: no answer from http://127.0.0.1:1: Connection refused\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("loops --loop a --health healthy", "--health cannot be combined with --loop"),
        ("loops --health well", "--health must be one of: healthy, degraded, critical"),
        ("loops --limit 0", "--limit must be an integer >= 1"),
        ("loops --loop ../a", "invalid loop id: ../a"),
        ("escalations", "--loop is required"),
        ("fleet candidates --eligible maybe", "--eligible must be true or false"),
        ("watch --kind weather", "--kind must be one of: loop, loop_gone, fleet, operation"),
        ("watch --for ever", "--for must be like 30s, 10m or 2h, not ever"),
        ("watch --max-changes 0", "--max-changes must be an integer >= 1"),
    ],
)
def test_what_it_cannot_use_is_told_before_anybody_is_asked(
    argv: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv.split(), "--server", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_settings_that_do_not_tell_the_port_are_of_no_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "opsd.toml"
    config.write_text("[http]\nport = 0\n")
    for command in COMMANDS:
        assert main([*command.split(), "--config", str(config)]) == 1
    message = "error: http.port 0 takes any free port: which one it is cannot be known here"
    assert capsys.readouterr().err.splitlines() == [message] * len(COMMANDS)


@contextmanager
def pages_of(monkeypatch: pytest.MonkeyPatch, *pages: tuple[list[str], Any]) -> Iterator[list[ApiRequest]]:
    """A server that answers each request with the next page."""
    asked: list[ApiRequest] = []

    def answer(_server: Server, request: ApiRequest) -> dict[str, Any]:
        asked.append(request)
        names, cursor = pages[min(len(asked), len(pages)) - 1]
        return {"ok": True, "loops": [{"loopId": name} for name in names], "nextCursor": cursor}

    monkeypatch.setattr(loops, "answer_of", answer)
    yield asked


def test_all_pages_are_fetched_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(Server("http://127.0.0.1:1"), ())
    with pages_of(monkeypatch, (["a", "b"], "b"), (["c"], None)) as requests:
        assert loops.view(loops.SPEC.parse(["--state", "running"]), asked) == 0
    assert [request.query.get("cursor") for request in requests] == [None, "b"]
    assert {request.query["state"] for request in requests} == {"running"}
    assert [one["loopId"] for one in json.loads(capsys.readouterr().out)["loops"]] == ["a", "b", "c"]
    with pages_of(monkeypatch, (["a", "b"], "b"), (["c"], "c")) as requests:
        assert loops.view(loops.SPEC.parse(["--limit", "3"]), asked) == 0
    assert [request.query["limit"] for request in requests] == ["3", "1"]
    assert json.loads(capsys.readouterr().out)["nextCursor"] == "c"


@pytest.mark.parametrize("page", [([], "b"), (["a"], 7)])
def test_a_server_that_leads_round_in_circles_is_left(monkeypatch: pytest.MonkeyPatch, page: Any) -> None:
    with pages_of(monkeypatch, page), pytest.raises(OpsError, match="leads nowhere"):
        loops.view(loops.SPEC.parse([]), Asked(Server("http://127.0.0.1:1"), ()))

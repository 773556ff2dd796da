"""Settings, threshold profiles, sinks, version and readiness over HTTP: what the commands on the host print."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from opsd import __version__
from opsd.access.model import Scope
from tests.alerts.catalogs import document, entry
from tests.api.world import ApiWorld
from tests.cli.process import on_a_terminal, opsd

SECRET = "hush-hush-service-token"


async def test_settings_in_force_are_shown_as_the_command_shows_them_and_without_secrets(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    config = tmp_path / "opsd.toml"
    config.write_text(f"drain_seconds = 3\nservice_token = '{SECRET}'\n")
    async with world.running("--config", str(config)) as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        remote, table, local = await asyncio.gather(
            opsd("config", "show", "--json", env=env),
            opsd("config", "show", env=env),
            opsd("config", "show", "--json", "--config", str(config)),
        )
        assert (remote.returncode, remote.stderr) == (0, "")
        rows = {one["key"]: one for one in json.loads(remote.stdout)["settings"]}
        there = {one["key"]: one for one in json.loads(local.stdout)["settings"]}
        assert rows.keys() == there.keys()
        assert rows["drain_seconds"] == there["drain_seconds"]
        assert rows["service_token"] == there["service_token"]
        assert rows["service_token"]["value"] == "********"
        assert rows["http.port"]["origin"] == "flag"
        assert f"file {config}" in table.stdout
        assert SECRET not in remote.stdout + table.stdout
        status, answered = await world.client(running, "ann").get("/settings")
        assert (status, answered["settings"]["needsRestart"]) == (200, [])


async def test_a_check_says_what_a_reload_would_find_and_puts_nothing_into_force(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    config = tmp_path / "opsd.toml"
    config.write_text("drain_seconds = 3\n")
    async with world.running("--config", str(config)) as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        ann = world.client(running, "ann")
        good = await opsd("config", "check", env=env)
        assert (good.returncode, good.stdout, good.stderr) == (0, f"ok: {config}\n", "")

        config.write_text("drain_seconds = 4\n[watchdog]\ntask_deadline_seconds = 61\n")
        waiting = await opsd("config", "check", env=env)
        assert waiting.stdout == f"ok: {config}\ntakes effect at the next start only: watchdog\n"

        config.write_text(f"drain_seconds = -1\nservice_token = ['{SECRET}']\n[http]\nprot = 1\n")
        bad, local = await asyncio.gather(
            opsd("config", "check", env=env), opsd("config", "check", "--config", str(config))
        )
        assert (bad.returncode, bad.stdout) == (1, "")
        assert bad.stderr == local.stderr
        assert len(bad.stderr.splitlines()) == 3
        assert SECRET not in bad.stderr

        config.write_text("[thresholds]\nprofile = 'none-such'\n")
        assert (await opsd("config", "check", env=env)).stderr == "error: unknown threshold profile: none-such\n"
        config.write_text(f"[http]\napi_token_file = '{tmp_path / 'absent'}'\n")
        assert "http.api_token: cannot be read" in (await opsd("config", "check", env=env)).stderr
        config.write_text("")
        world.file("registry.v1.json").write_text("{")
        assert (await ann.get("/settings/check"))[1]["check"]["usable"] is False
        config.unlink()
        status, answered = await ann.get("/settings/check")
        assert (status, answered["check"]["usable"]) == (200, False)

        rows = {one["key"]: one["value"] for one in (await ann.get("/settings"))[1]["settings"]["settings"]}
        assert rows["drain_seconds"] == 3.0
        assert running.process.poll() is None


async def test_after_a_reload_the_new_settings_are_shown_and_what_waits_for_a_start(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("ann", Scope.ADMIN)
    config = tmp_path / "opsd.toml"
    config.write_text("drain_seconds = 3\n")
    async with world.running("--config", str(config)) as running:
        ann = world.client(running, "ann")
        for text, drain_s in (
            ("drain_seconds = 4\n[watchdog]\ntask_deadline_seconds = 61\n", 4.0),
            ("drain_seconds = 5\n[watchdog]\ntask_deadline_seconds = 61\n", 5.0),
        ):
            config.write_text(text)
            running.process.send_signal(signal.SIGHUP)

            async def reloaded(wanted: float = drain_s) -> bool:
                rows = (await ann.get("/settings"))[1]["settings"]["settings"]
                return any(one["key"] == "drain_seconds" and one["value"] == wanted for one in rows)

            await running.until(reloaded)
            assert (await ann.get("/settings"))[1]["settings"]["needsRestart"] == ["watchdog"]
        assert [line["settings"] for line in running.logged("config.needs_restart")] == [["watchdog"]] * 2


async def test_settings_are_for_admins_of_everything_only(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.principal("eve", Scope.READ, Scope.CONTROL, Scope.POLICY)
    world.principal("bob", Scope.ADMIN, loops=("al*",))
    async with world.running() as running:
        for name in ("eve", "bob"):
            for path in ("/settings", "/settings/check"):
                assert (await world.client(running, name).get(path))[0] == 403, (name, path)
            assert (await world.client(running, name).get("/version"))[0] == 200
        assert (await world.client(running, "bob").get("/threshold-profiles"))[0] == 403
    open_to_this_host = ApiWorld(tmp_path / "open", "alpha")
    async with open_to_this_host.running() as running:
        client = open_to_this_host.client(running)
        assert (await client.get("/version"))[0] == 200
        for path in ("/settings", "/settings/check"):
            assert (await client.get(path))[0] == 403, path


async def test_flags_about_settings_are_refused_as_they_are_about_another_process(tmp_path: Path) -> None:
    there = ("--server", "http://127.0.0.1:1")
    for command in (("config", "show"), ("config", "check"), ("ping",)):
        refused = await opsd(*command, "--http-port", "1", *there)
        assert refused.stderr == (
            "error: --http-port cannot be combined with --server: the settings of the daemon that is asked are meant\n"
        )
        assert "names a file of this host" in (await opsd(*command, "--config", "x", *there)).stderr
    assert (await opsd("ping", "--timeout", "x", *there)).stderr.startswith("error: --timeout must be a number")
    assert (await opsd("ping", "--timeout", "nan", *there)).stderr.startswith("error: --timeout must be a number")


async def test_threshold_profiles_are_those_of_the_daemons_catalog(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.READ)
    values = {
        "degradedIngestLagSeconds": 1,
        "criticalIngestLagSeconds": 2,
        "degradedTransportFailureStreak": 1,
        "criticalTransportFailureStreak": 2,
    }
    catalog = tmp_path / "profiles.json"
    profiles = {"calm": values, "näch/t ?#": values, "..": values}
    catalog.write_text(json.dumps({"schemaVersion": "v1", "defaultProfile": "calm", "profiles": profiles}))
    async with world.running("--thresholds-profiles-file", str(catalog)) as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        here = ("--profiles-file", str(catalog))
        for flags in (
            (),
            ("--list",),
            ("--pretty",),
            ("--profile", "calm"),
            ("--profile", "none"),
            ("--profile", ".."),
        ):
            remote = await opsd("threshold-profile", *flags, env=env)
            local = await opsd("threshold-profile", *flags, *here)
            assert (remote.returncode, remote.stdout, remote.stderr) == (local.returncode, local.stdout, local.stderr)
        for name in ("näch/t ?#", "a" * 201, "\n"):
            assert (await opsd("threshold-profile", "--profile", name, env=env)).returncode == 1, name
        assert (await world.client(running, "ann").get("/threshold-profiles/none"))[0] == 404
        refused = await opsd("threshold-profile", *here, "--server", running.url, env=env)
        assert "names a file of this host" in refused.stderr
        assert json.loads((await opsd("threshold-profile", *here, env=env)).stdout)["sourceFile"] == str(catalog)
        catalog.write_text("{")
        status, answered = await world.client(running, "ann").get("/threshold-profiles")
        assert (status, answered["error"]["code"]) == (409, "conflict")


async def test_sinks_and_routes_are_printed_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.READ)
    catalog = tmp_path / "sinks.json"
    catalog.write_text(json.dumps(document({"w": entry()})))
    async with world.running("--alerts-catalog-file", str(catalog)) as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        here = ("--config-file", str(catalog))
        for flags in (
            (),
            ("--list-sinks",),
            ("--no-env-check",),
            ("--no-env-check", "--pretty"),
            ("--no-env-check", "--list-sinks"),
            ("--no-env-check", "--category", "x"),
            ("--no-env-check", "--category", "x", "--severity", "critical"),
            ("--category", "x"),
            ("--category", "x", "--severity", "high"),
            ("--severity", "info"),
            ("--list-sinks", "--category", "x"),
        ):
            remote = await opsd("alerts", "resolve", *flags, env=env)
            local = await opsd("alerts", "resolve", *flags, *here)
            assert (remote.returncode, remote.stdout, remote.stderr) == (local.returncode, local.stdout, local.stderr)
        for flags in (("--no-env-check",), ("--no-env-check", "--category", "x")):
            remote_page = await on_a_terminal("alerts", "resolve", *flags, env=env)
            assert remote_page == await on_a_terminal("alerts", "resolve", *flags, *here)
            assert "{" not in remote_page[1]
        status, answered = await world.client(running, "ann").get("/alerts/sinks?envCheck=true")
        assert (status, answered["error"]["code"]) == (409, "conflict")
        assert (await world.client(running, "ann").get("/alerts/sinks?envCheck=1"))[0] == 400


async def test_version_and_readiness(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.READ, loops=("al*",))
    async with world.running() as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        assert (await opsd("version", env=env)).stdout == f"opsd {__version__}\n"
        assert (await opsd("--version", env={"OPSD_SERVER": "http://127.0.0.1:1"})).stdout == f"opsd {__version__}\n"
        status, answered = await world.client(running, "ann").get("/version")
        assert (status, answered["version"]) == (200, __version__)
        assert answered.keys() == {"ok", "version", "startedAt"}
        pinged = await opsd("ping", env=env)
        assert (pinged.returncode, pinged.stdout, pinged.stderr) == (0, "", "")

        os.kill(running.process.pid, signal.SIGSTOP)
        try:
            silent = await opsd("ping", "--timeout", "0.2", env=env)
            assert (silent.returncode, silent.stdout) == (1, "")
            assert silent.stderr.startswith(f"error: no answer from {running.url}: ")
        finally:
            os.kill(running.process.pid, signal.SIGCONT)

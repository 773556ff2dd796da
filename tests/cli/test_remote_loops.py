"""``opsd --server`` for the commands about one loop: what they print, and the cursor file of the client's host."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from opsd.access.model import Scope
from opsd.cli.client import api_client
from opsd.cli.loop import status
from opsd.cli.main import main
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.events import PAGE
from opsd.cli.remote.loops import COMMANDS
from tests.api.world import ApiWorld
from tests.cli.process import opsd
from tests.transport.misbehaving import respond, serving

NOWHERE = ("--server", "http://127.0.0.1:1", "--loop", "alpha")


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_that_is_taken_is_one_of_the_command(name: str) -> None:
    spec = spec_of(COMMANDS[name].spec)
    assert all(spec.declares(flag) for flag in COMMANDS[name].flags)
    files = [flag for flag in COMMANDS[name].flags if flag.endswith("-file")]
    assert files == (["--cursor-file"] if name in ("events", "poll-events") else [])


async def test_events_come_page_by_page_and_the_clients_cursor_moves(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.READ)
    loop, file = world.live["alpha"], tmp_path / "here" / "cursor.json"
    loop.append(*(f"e{number}" for number in range(2 * PAGE + 7)))
    async with world.running() as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}
        events = ("events", "--loop", "alpha", "--cursor-file", str(file), "--trace-id", "t")
        local = await opsd("events", "--loop", "alpha", "--repo", str(world.repo), "--from-start", "--trace-id", "t")
        first = await opsd(*events, "--max-events", str(PAGE + 1), env=env)
        assert (first.returncode, first.stderr, len(lines(first.stdout))) == (0, "", PAGE + 1)
        rest = await opsd("poll-events", *events[1:], env=env)
        every = [{**line, "emittedAt": ""} for line in lines(first.stdout + rest.stdout)]
        assert every == [{**line, "emittedAt": ""} for line in lines(local.stdout)]
        own = json.loads((world.repo / ".superloop/loops/alpha/ops-manager.cursor.json").read_text())
        assert {**json.loads(file.read_text()), "updatedAt": ""} == {**own, "updatedAt": ""}
        assert (await opsd(*events, env=env)).stdout == ""
        loop.append("more")
        assert [line["event"]["name"] for line in lines((await opsd(*events, env=env)).stdout)] == ["more"]
        whole = await opsd("events", "--loop", "alpha", "--from-start", env=env)
        assert len(lines(whole.stdout)) == 2 * PAGE + 8


async def test_a_call_that_fails_prints_nothing_and_keeps_the_cursor(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    loop, file = world.live["alpha"], tmp_path / "cursor.json"
    loop.append("a", "b")
    async with world.running() as running:
        events = ("events", "--loop", "alpha", "--cursor-file", str(file), "--server", running.url)
        assert len(lines((await opsd(*events)).stdout)) == 2
        before = file.read_text()
        loop.append(*(f"e{number}" for number in range(PAGE)))
        with loop.journal.open("a") as journal:
            journal.write("{broken\n")
        loop.append("last")
        failed = await opsd(*events)  # the first page could be read
        assert (failed.returncode, failed.stdout, file.read_text()) == (1, "", before)
        assert f"line {PAGE + 3} in" in failed.stderr
        skipped = await opsd(*events, "--skip-bad-line", str(PAGE + 3))
        assert (skipped.returncode, len(lines(skipped.stdout))) == (0, PAGE + 1)
        assert json.loads(file.read_text())["skippedLine"] == PAGE + 3
        loop.journal.write_text("")
        loop.append(*("other" for _ in range(PAGE + 9)))
        replaced = await opsd(*events)
        assert (replaced.returncode, replaced.stdout) == (1, "")
        assert "cursor does not match the journal" in replaced.stderr
        file.write_text("[]")
        assert "unexpected JSON type in cursor file" in (await opsd(*events)).stderr


def test_the_cursor_file_is_named_or_none_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", *NOWHERE]) == 1
    said = "error: --cursor-file, a file of this host, or --from-start is required with --server\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True},
        {"ok": True, "events": {}, "cursor": {}},
        {"ok": True, "events": [], "cursor": {"eventLineOffset": "x", "eventLineCount": 1}},
        {"ok": True, "events": [], "cursor": []},
    ],
)
async def test_an_answer_without_events_is_told(tmp_path: Path, answer: Any) -> None:
    file = tmp_path / "cursor.json"
    async with serving(respond(200, json.dumps(answer).encode())) as server:
        told = await opsd("events", "--loop", "a", "--from-start", "--cursor-file", str(file), "--server", server.url)
    assert (told.returncode, told.stdout, told.stderr) == (1, "", "error: the server answered no events\n")
    assert not file.exists()


async def test_pages_become_smaller_where_their_answers_are_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = ApiWorld(tmp_path, "alpha")
    world.live["alpha"].append(*(f"e{number}" for number in range(50)))
    async with world.running() as running:
        argv = ["events", "--loop", "alpha", "--from-start", "--server", running.url]
        monkeypatch.setattr(api_client, "_MAX_ANSWER_BYTES", 10_000)
        assert await asyncio.to_thread(main, argv) == 0
        assert [line["sequence"]["value"] for line in lines(capsys.readouterr().out)] == list(range(1, 51))
        assert await asyncio.to_thread(main, [*argv, "--max-events", "20"]) == 0
        assert len(lines(capsys.readouterr().out)) == 20
        monkeypatch.setattr(api_client, "_MAX_ANSWER_BYTES", 100)
        assert await asyncio.to_thread(main, argv) == 1
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "error: the answer is larger than 100 bytes\n")


async def test_a_server_whose_cursor_stands_still_is_not_asked_for_ever() -> None:
    stuck = {"ok": True, "events": [{}], "cursor": {"eventLineOffset": 0, "eventLineCount": 10**9}}
    async with serving(respond(200, json.dumps(stuck).encode())) as server:
        told = await opsd("events", "--loop", "a", "--from-start", "--server", server.url)
        assert (told.returncode, told.stdout, len(server.requests)) == (0, "{}\n", 1)


async def test_the_other_commands_print_and_end_as_on_the_host(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    world.live["alpha"].append("loop_start")
    async with world.running() as running:
        await running.until(lambda: _has_passed(running))
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}

        async def there(*argv: str) -> Any:
            done = await opsd(argv[0], "--loop", "alpha", *argv[1:], env=env)
            assert done.stderr == "", done.stderr
            return done.returncode, json.loads(done.stdout)

        snapshot = ("snapshot", "--run-id", "r9", "--trace-id", "t")
        (code, remote), local = await asyncio.gather(
            there(*snapshot), opsd(*snapshot, "--loop", "alpha", "--repo", str(world.repo))
        )
        assert (code, remote["run"]) == (0, json.loads(local.stdout)["run"])
        moment = ("health", "--now", "2099-01-01T00:00:00Z", "--critical-ingest-lag-seconds", "7")
        code, health = await there(*moment, "--degraded-ingest-lag-seconds", "6")
        assert (code, health["status"], health["thresholds"]["criticalIngestLagSeconds"]) == (0, "critical", 7)
        code, state = await there("project-state")
        assert (code, state["projection"]["lastEventName"]) == (0, "loop_start")
        code, drift = await there("profile-drift", "--applied-profile", "balanced", "--required-streak", "2")
        assert (code, drift["requiredStreak"]) == (0, 2)
        code, seen = await there("confirm-intent", "--intent", "approve", "--timeout-seconds", "0")
        assert (code, seen["reason"]) == (1, "timeout")
        world.live["alpha"].active(False)
        code, seen = await there("confirm-intent", "--intent", "cancel")
        assert (code, seen["confirmed"]) == (0, True)
        code, passed = await there("reconcile", "--from-start", "--max-events", "1")
        assert (code, passed["cursor"]["eventLineCount"]) == (0, 1)
        code, summary = await there("telemetry-summary", "--window", "5")
        assert (code, summary["schemaVersion"]) == (0, "v1")


async def _has_passed(running: Any) -> bool:
    return bool(running.logged("pass.finished"))


async def test_dispatch_runs_and_its_modes_take_what_is_theirs(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    token = world.principal("ann", Scope.ADMIN)
    async with world.running() as running:
        env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": token}

        async def dispatch(*flags: str) -> Any:
            return await opsd("alerts", "dispatch", "--loop", "alpha", *flags, env=env)

        rehearsed = await dispatch("--dry-run", "--max-escalations", "3")
        assert json.loads(rehearsed.stdout) == {"schemaVersion": "v1", "loopId": "alpha", "dryRun": True, "rows": []}
        done = await dispatch("--reset-cursor", "--delivery-budget-seconds", "1", "--fail-on-delivery-failure")
        assert (done.returncode, json.loads(done.stdout)["loopId"]) == (0, "alpha"), done.stderr
        assert json.loads((await dispatch("--list-dead-letters")).stdout)["count"] == 0
        ignored = await dispatch("--list-dead-letters", "--dry-run")
        assert ignored.stderr == "error: --dry-run cannot be combined with --list-dead-letters and --server\n"
        alone = await dispatch("--delivery-id", "omd_1")
        assert alone.stderr == "error: --delivery-id requires --replay-dead-letters\n"


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (("health",), "--state-file"),
        (("project-state",), "--snapshot-file"),
        (("profile-drift",), "--thresholds-file"),
        (("reconcile",), "--cursor-file"),
        (("control", "--intent", "cancel"), "--by"),
        (("alerts", "dispatch"), "--alert-config-file"),
        (("status",), "--state-file"),
    ],
)
def test_a_file_of_the_managers_host_is_refused(
    command: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *NOWHERE, flag, "x"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {flag} cannot be combined with --server: ")


async def test_a_status_is_watched_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        await running.until(lambda: _has_passed(running))

        def interrupt(_seconds: float) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(status.time, "sleep", interrupt)
            for loop, shown in (("alpha", "alpha"), ("nobody", "error: no such loop")):
                argv = ["status", "--loop", loop, "--watch", "--server", running.url]
                assert await asyncio.to_thread(main, argv) == 130
                assert shown in capsys.readouterr().out

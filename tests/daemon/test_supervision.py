"""What an operator counts on: trouble stays with its loop, the registry is followed, signals are obeyed."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.daemon.support import PATIENCE_S, LiveLoop, daemon, journal_line, remote, sprite, write_registry
from tests.ports import free_port
from tests.transport.misbehaving import respond, send, serving


async def test_failing_slow_and_hostile_loops_delay_no_other(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    good = LiveLoop(tmp_path / "good")
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"[" * 1_000_000
    wrong = {
        "hanging": send(b"HTTP/1.1 200 OK\r\n", then_hang=True),
        "endless": send(endless, then_hang=True),
        "garbage": respond(200, b"\x00\xff<html>"),
        "deep": respond(200, b'{"a":' * 10_000),
        "refusing": respond(403, b'{"ok":false}'),
    }
    async with AsyncExitStack() as stack:
        urls = {name: (await stack.enter_async_context(serving(answer))).url for name, answer in wrong.items()}
        urls["nobody"] = "http://127.0.0.1:1"
        service = await stack.enter_async_context(sprite(good.repo))
        # Far more of each than there are workers.
        entries = [remote(f"{name}-{number}", url) for name, url in urls.items() for number in range(6)]
        write_registry(manager, *entries, remote("demo", service.url))
        flags = [
            "--reconcile-max-parallel",
            "4",
            "--reconcile-deadline-seconds",
            "30",
            "--reconcile-resync-seconds",
            "1",
        ]
        flags += ["--limits-max-response-bytes", "100000", "--transport-total-timeout-seconds", "1"]
        running = await stack.enter_async_context(daemon(manager, *flags))
        await running.until_state("demo", "running", 0)
        for number in range(1, 4):
            good.append("iteration_start")
            await running.until_state("demo", "running", number)

        wanted: dict[str, str | None] = {entry["loopId"]: "service_request_failed" for entry in entries}
        wanted |= {name: "service_response_invalid" for name in wanted if name.startswith(("garbage", "deep"))}
        wanted["demo"] = None

        async def each_has_its_failure() -> bool:  # where the machine is busy, a good answer may be late at times, too
            views = {view["loopId"]: view for view in (await running.json("/v1/loops"))[1]["loops"]}
            codes = {name: view["lastFailure"] and view["lastFailure"]["code"] for name, view in views.items()}
            return codes == wanted and "transport_unreachable" in views["nobody-0"]["reasonCodes"]

        await running.until(each_has_its_failure)
        assert await running.json("/readyz") == (200, {"ok": True, "reasons": []})
        metrics = await running.metrics()
        assert metrics['opsd_reconcile_failures_total{code="service_request_failed"}'] >= 4
        assert await running.ended() == 0


async def test_a_daemon_that_cannot_listen_says_so_last(tmp_path: Path) -> None:
    LiveLoop(tmp_path / "repo")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "opsd", "run", "--config", "/dev/null", "--repo", str(tmp_path / "repo")]
        ended = await asyncio.to_thread(
            subprocess.run, [*command, "--http-port", port], capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1
    said = f"error: http.host, http.port: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert ended.stderr.splitlines()[-1] == said
    assert "destroyed" not in ended.stderr


async def test_a_loop_whose_run_has_ended_is_spared_where_the_settings_say_so(tmp_path: Path) -> None:
    for said, codes in (("false", ["ingest_stale"]), ("true", [])):
        manager = tmp_path / said
        loop = LiveLoop(manager)
        loop.journal.write_bytes(journal_line(1, "loop_stop", timestamp="2026-02-01T10:00:00Z"))
        loop.active(False)
        async with daemon(manager, "--thresholds-spare-finished", said) as running:
            view = await running.until_state("demo", "stopped", 1)
            assert view["reasonCodes"] == codes
            health = (await running.json("/api/v1/loops/demo/health"))[1]["health"]
            assert health["reasonCodes"] == codes
            assert await running.ended() == 0


async def test_the_registry_is_followed_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    loops = [LiveLoop(manager, f"loop-{number}") for number in (1, 2)]
    async with daemon(manager) as running:

        async def supervised() -> list[str]:
            return [view["loopId"] for view in (await running.json("/v1/loops"))[1]["loops"]]

        async def is_both() -> bool:
            return await supervised() == ["loop-1", "loop-2"]

        await running.until(is_both)  # without a registry: every local loop
        await running.until_state("loop-1", "unknown", 0)  # the repo's state.json speaks of the other
        await running.until_state("loop-2", "running", 0)
        write_registry(manager, {"loopId": "loop-2"}, {"loopId": "loop-1", "enabled": False})

        async def is_one() -> bool:
            return await supervised() == ["loop-2"]

        await running.until(is_one)
        assert not [name for name in await running.metrics() if 'loop="loop-1"' in name]
        path = manager / ".superloop/ops-manager/fleet/registry.v1.json"
        write_registry(manager, {"loopId": 5})

        async def refused() -> bool:
            return (await running.metrics())["opsd_registry_last_reload_successful"] == 0

        await running.until(refused)
        assert await supervised() == ["loop-2"]
        assert len(running.logged("registry.refused")) == 1
        loops[1].append("iteration_start")
        await running.until_state("loop-2", "running", 1)
        write_registry(manager, {"loopId": "loop-2"})

        async def accepted() -> bool:
            return (await running.metrics())["opsd_registry_last_reload_successful"] == 1

        await running.until(accepted)  # the loops are those of before
        assert running.logged("registry.applied")[-1]["loops"] == 1
        path.unlink()  # by a slip, as far as the daemon knows
        await running.until(refused)
        assert await supervised() == ["loop-2"]
        assert "is gone" in running.logged("registry.refused")[-1]["message"]
        running.process.send_signal(signal.SIGHUP)
        await running.until(is_both)
        await running.until(accepted)
        # A loop that appears in the repo is found by itself.
        LiveLoop(manager, "loop-3")
        await running.until_state("loop-3", "running", 0)


async def test_a_fleet_without_its_registry_is_told_at_the_start(tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path / "manager")
    write_registry(loop.repo, {"loopId": "elsewhere"})
    fleet = loop.repo / ".superloop/ops-manager/fleet"
    (fleet / "state.json").write_text("{}")
    (fleet / "registry.v1.json").unlink()
    async with daemon(loop.repo) as running:
        _status, body = await running.json("/v1/loops")
        assert [view["loopId"] for view in body["loops"]] == ["demo"]  # every local loop, as the contract has it
        assert len(running.logged("registry.missing")) == 1


async def test_an_entry_without_its_token_is_told_and_the_others_are_supervised(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    LiveLoop(manager)
    broken = {
        "loopId": "x",
        "transport": "sprite_service",
        "service": {"baseUrl": "http://127.0.0.1:1", "tokenEnv": "NOT_SET"},
    }
    write_registry(manager, broken, {"loopId": "demo"})
    async with daemon(manager) as running:
        await running.until_state("demo", "running", 0)
        assert (await running.metrics())["opsd_loops_unusable"] == 1
        assert "NOT_SET" in running.logged("loop.unusable")[0]["message"]


async def test_a_stream_is_held_only_while_the_run_is_active(tmp_path: Path) -> None:
    manager, loop = tmp_path / "manager", LiveLoop(tmp_path / "sprite")
    loop.append("loop_start")
    async with sprite(loop.repo) as service:
        write_registry(manager, remote("demo", service.url))
        async with daemon(manager, "--observe-linger-seconds", "0.2") as running:
            view = await running.until_state("demo", "running", 1)
            assert (view["observe"], view["following"]) == ("auto", "stream")

            async def streaming() -> bool:
                return service.service.metrics.streams == 1

            await running.until(streaming)
            loop.append("iteration_start")
            await running.until_state("demo", "running", 2)
            loop.complete()
            await running.until_state("demo", "complete", 3)

            async def idle() -> bool:
                return bool((await running.view("demo"))["following"] == "idle")

            await running.until(idle)

            async def asleep() -> bool:
                return service.service.metrics.streams == 0

            await running.until(asleep)

            async def wake_it() -> None:
                async with running.session.post("/api/v1/loops/demo/reconcile", json={"wait": True}) as response:
                    assert (await response.json())["pass"]["succeeded"] is True

            async def costs_two_requests() -> bool:  # and nothing else, once the news of its end is worked off
                before = (await running.metrics())['opsd_loop_wakeups_total{loop="demo"}']
                await wake_it()
                return (await running.metrics())['opsd_loop_wakeups_total{loop="demo"}'] == before + 2

            await running.until(costs_two_requests)
            assert (await running.metrics())['opsd_loop_stream_connects_total{loop="demo"}'] == 1


async def test_a_sprite_without_streams_is_polled(tmp_path: Path) -> None:
    manager, loop = tmp_path / "manager", LiveLoop(tmp_path / "sprite")
    async with sprite(loop.repo) as service:
        del service.service._get["/ops/events/stream"]
        write_registry(manager, remote("demo", service.url, observe="stream"))
        async with daemon(manager, "--observe-active-poll-seconds", "0.05") as running:
            for number in (1, 2, 3):
                loop.append("iteration_start")
                view = await running.until_state("demo", "running", number)
            assert view["following"] == "poll"


async def test_a_sprite_that_restarts_is_found_again(tmp_path: Path) -> None:
    manager, loop = tmp_path / "manager", LiveLoop(tmp_path / "sprite")
    flags = ["--observe-stream-retry-base-seconds", "0.02", "--reconcile-backoff-base-seconds", "0.02"]
    async with AsyncExitStack() as stack:
        port = free_port()
        async with sprite(loop.repo, port=port) as service:
            write_registry(manager, remote("demo", service.url))
            running = await stack.enter_async_context(daemon(manager, *flags))
            loop.append("loop_start")
            await running.until_state("demo", "running", 1)

        async def noticed() -> bool:
            return (await running.view("demo"))["lastFailure"] is not None

        await running.until(noticed)
        loop.append("iteration_start", "iteration_end")
        async with sprite(loop.repo, port=port):
            view = await running.until_state("demo", "running", 3)
            assert view["lastFailure"] is None


async def test_a_reload_takes_new_settings_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    manager, config = tmp_path / "manager", tmp_path / "opsd.toml"
    loop = LiveLoop(manager)
    config.write_text('[log]\nlevel = "info"\n')
    async with daemon(manager, "--config", str(config)) as running:
        await running.until_state("demo", "running", 0)

        async def reloads(result: str, count: int) -> None:
            async def done() -> bool:
                return (await running.metrics())[f'opsd_config_reloads_total{{result="{result}"}}'] == count

            await running.until(done)

        assert (await running.metrics())["opsd_config_last_reload_successful"] == 1  # before any reload
        config.write_text('[log]\nlevel = "debug"\n[http]\nport = 1\n')
        running.process.send_signal(signal.SIGHUP)
        await reloads("success", 1)
        loop.append("iteration_start")
        await running.until_state("demo", "running", 1)
        async with running.session.post("/v1/loops/demo/reconcile") as response:  # without news: worth a debug line
            assert response.status == 202

        async def debugged() -> bool:
            return any(line["level"] == "debug" for line in running.log)

        await running.until(debugged)
        config.write_text("[log]\nlevle = 1\n")
        running.process.send_signal(signal.SIGHUP)
        await reloads("failure", 1)
        assert "levle" in running.logged("config.refused")[0]["message"]
        loop.append("iteration_end")
        await running.until_state("demo", "running", 2)


async def test_what_a_loop_says_of_itself_at_length_is_shown_in_brief(tmp_path: Path) -> None:
    long = "x" * 200_000
    said = {
        "ok": True,
        "schemaVersion": "v1",
        "envelopeType": "loop_run_snapshot",
        "source": {"repoPath": "/srv", "loopId": "liar"},
        "run": {"runId": long, "iteration": 1, "status": long},
        "cursor": {"eventLineOffset": 0, "eventLineCount": 10**30},
        "health": {"lastEventName": long, "lastEventAt": long},
        "events": [],
    }
    manager = tmp_path / "manager"
    async with serving(respond(200, json.dumps(said).encode())) as server:
        write_registry(manager, remote("liar", server.url))
        async with daemon(manager) as running:

            async def passed_over() -> bool:
                return (await running.view("liar"))["lastSuccessAt"] is not None

            await running.until(passed_over)
            view = await running.view("liar")
            assert len(json.dumps(view)) < 3000
            assert view["state"].startswith("xxx")
            assert view["cursor"] == {"eventLineOffset": 0, "eventLineCount": None}
            metrics = await running.metrics()
    assert metrics['opsd_loop_state{loop="liar",state="other"}'] == 1
    assert not [name for name in metrics if "xxx" in name]


async def test_sigterm_drains_even_when_a_sprite_never_answers(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    async with serving(send(b"HTTP/1.1 200 OK\r\n", then_hang=True)) as server:
        write_registry(manager, remote("hanging", server.url))
        async with daemon(manager, "--drain-seconds", "0.3") as running:

            async def asked() -> bool:
                return bool(server.requests)

            await running.until(asked)
            assert await running.ended() == 0
            assert [line["event"] for line in running.log][-2:] == ["daemon.draining", "daemon.stopped"]


async def test_what_cannot_be_used_at_the_start_is_told_with_one_line(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    write_registry(manager, {"loopId": 5})
    for flags, told in (
        (["--repo", str(tmp_path / "missing")], "repo path not found"),
        (["--repo", str(manager)], "registry"),
        (["--repo", str(manager), "--http-port", "x"], "http-port"),
    ):
        command = [sys.executable, "-m", "opsd", "run", "--http-port", "0", *flags]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode in (1, 2), done
        assert told in done.stderr
        assert "Traceback" not in done.stderr


async def test_a_passed_review_deadline_ends_autonomy_and_not_observation(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    loop = LiveLoop(manager)
    governance = {"actor": "me", "approvalRef": "1", "rationale": "x"}
    governance |= {"changedAt": "2020-01-01T00:00:00Z", "reviewBy": "2020-02-01T00:00:00Z"}
    write_registry(
        manager, {"loopId": "demo"}, policy={"mode": "guarded_auto", "autonomous": {"governance": governance}}
    )
    async with daemon(manager) as running:
        loop.append("iteration_start")
        await running.until_state("demo", "running", 1)

        async def told() -> bool:
            return (await running.metrics())["opsd_fleet_review_expired"] == 1

        await running.until(told)
        assert await running.json("/readyz") == (
            200,
            {"ok": True, "reasons": ["the review deadline of the policy has passed, autonomy is off"]},
        )
        assert len(running.logged("registry.review_expired")) == 1


async def test_the_daemon_takes_the_descriptors_that_the_host_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # handed on to what is started
    try:
        LiveLoop(tmp_path / "repo")
        async with daemon(tmp_path / "repo") as running:
            assert (await running.metrics())["process_max_fds"] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""Alerts through the real daemon and a real receiver: told, resolved, and never lost."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.daemon.receiver import Receiver, Told, receiving, write_catalog
from tests.daemon.support import PATIENCE_S, Daemon, LiveLoop, daemon, journal_line, whole_lines, write_registry

LONG_AGO = "2026-02-01T10:00:00Z"


class World:
    """A manager with local loops, a catalog and the environment that leads to a receiver."""

    def __init__(self, tmp_path: Path, receiver: Receiver, **sinks: dict[str, Any]) -> None:
        self.repo, self.receiver = tmp_path / "repo", receiver
        self.catalog = tmp_path / "sinks.json"
        self.sinks = sinks or {"a": {}}
        write_catalog(self.catalog, self.sinks)
        self.env = {f"HOOK_{name.upper()}": f"{receiver.url}/{name}" for name in self.sinks}
        self.env["OPS_MANAGER_ALERT_SINKS_FILE"] = str(self.catalog)
        self.repo.mkdir()
        self.flags = ["--reconcile-resync-seconds", "0.2", "--alerts-look-seconds", "0.1"]
        self.flags += ["--alerts-sweep-seconds", "0.2", "--drift-required-streak", "1000000"]

    def stale(self, loop_id: str = "demo") -> LiveLoop:
        """A loop whose last event is old: critical at its first pass."""
        loop = LiveLoop(self.repo, loop_id)
        loop.journal.write_bytes(journal_line(1, "loop_start", loop_id=loop_id, timestamp=LONG_AGO))
        return loop

    def folder(self, loop_id: str = "demo") -> Path:
        return self.repo / ".superloop" / "ops-manager" / loop_id

    def rows(self, name: str, loop_id: str = "demo") -> list[dict[str, Any]]:
        """The rows of one of the loop's logs."""
        path = self.folder(loop_id) / name
        return [json.loads(line) for line in whole_lines(path)] if path.exists() else []

    def state(self, loop_id: str = "demo") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(loop_id) / "alert-dispatch-state.json").read_bytes())
        return found

    def dispatch(self, *flags: str) -> dict[str, Any]:
        """``opsd alerts dispatch`` by hand."""
        command = [
            sys.executable,
            "-m",
            "opsd",
            "alerts",
            "dispatch",
            "--repo",
            str(self.repo),
            "--loop",
            "demo",
            *flags,
        ]
        done = subprocess.run(command, env=self.env, capture_output=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def silence(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "opsd", "alerts", "silence", *arguments, "--repo", str(self.repo)]
        subprocess.run(command, env=self.env, capture_output=True, check=True)


async def until(running: Daemon, condition: Callable[[], Any]) -> None:
    """Wait until a plain condition holds."""

    async def holds() -> Any:
        return condition()

    await running.until(holds)


async def view(running: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = (await running.view("demo")).get("alerts") or {}
    return found


def shown(condition: Callable[[dict[str, Any]], bool], running: Daemon) -> Callable[[], Awaitable[bool]]:
    """A condition over what the live API says of the loop's alerts."""

    async def holds() -> bool:
        return condition(await view(running))

    return holds


async def test_an_escalation_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        loop = world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: receiver.told)
            trigger = receiver.told[0]
            assert (trigger.action, trigger.body["event"]["category"]) == ("trigger", "health_critical")
            await running.until(shown(lambda alerts: alerts.get("openIncidentCount") == 1, running))
            loop.append("iteration_start")
            await until(running, lambda: len(receiver.told) > 1)
            await running.until(shown(lambda alerts: alerts["openIncidentCount"] == 0, running))
            await running.until_metrics(
                {
                    'opsd_alert_deliveries_total{sink="a",outcome="delivered"}': 2,
                    'opsd_alert_attempts_total{sink="a",reason="ok"}': 2,
                    'opsd_alert_sink_breaker{sink="a",state="closed"}': 1,
                    'opsd_loop_alerts_pending{loop="demo"}': 0,
                }
            )
            sinks = (await view(running))["sinks"]
            assert await running.ended() == 0
        assert [one.action for one in receiver.told] == ["trigger", "resolve"]
        assert [row["status"] for row in world.rows("telemetry/alerts.jsonl")] == ["dispatched", "dispatched"]
        row = world.rows("telemetry/alerts.jsonl")[0]
        assert row["traceId"] == world.rows("escalations.jsonl")[0]["traceId"]
        assert [(sink["id"], sink["state"]) for sink in sinks] == [("a", "closed")]
        assert [line["id"] for line in running.logged("alert.delivered")] == [one.delivery_id for one in receiver.told]


async def test_a_sink_that_hangs_delays_neither_the_other_nor_the_passes(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.hanging.add("/a")
        world = World(tmp_path, receiver, a={"timeoutSeconds": 60}, b={})
        loops = [world.stale(f"loop-{number}") for number in range(4)]
        write_registry(world.repo, *({"loopId": loop.loop_id} for loop in loops))
        unswept = [*world.flags, "--alerts-sweep-seconds", "3600"]
        async with daemon(world.repo, *unswept, env=world.env) as running:
            await until(running, lambda: len(receiver.of("/b")) == 4 and len(receiver.of("/a")) == 4)

            async def one_is_owed() -> bool:
                alerts = (await running.view("loop-1"))["alerts"] or {}
                return bool(alerts.get("pendingCount") == 1 and alerts["openIncidentCount"] == 1)

            await running.until(one_is_owed)  # also while it is under way
            loops[0].append("iteration_start")  # the passes go on, and so do the alerts of the other sink
            await until(running, lambda: [one.action for one in receiver.of("/b")].count("resolve") == 1)
            assert "resolve" not in [one.action for one in receiver.of("/a")]
            receiver.hanging.clear()
            await until(running, lambda: [one.action for one in receiver.of("/a")].count("resolve") == 1)
            assert await running.ended() == 0
        ids = [one.delivery_id for one in receiver.told]
        assert len(set(ids)) == len(ids)


async def test_what_a_killed_daemon_owed_is_told_by_the_next_with_the_same_id(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver, a={"timeoutSeconds": 60}, b={})
        receiver.hanging.add("/a")
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: receiver.of("/a") and receiver.of("/b"))
            await until(
                running, lambda: (world.folder() / "alert-outbox.jsonl").read_bytes().count(b'"delivered"') == 1
            )
            running.process.kill()
            running.process.wait(PATIENCE_S)
        receiver.hanging.clear()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: len(receiver.of("/a")) == 2)
            await running.until(shown(lambda alerts: alerts.get("pendingCount") == 0, running))
            assert await running.ended() == 0
        assert len({one.delivery_id for one in receiver.of("/a")}) == 1
        assert len(receiver.of("/b")) == 1  # its outcome was written down
        assert world.state()["escalationsLineOffset"] == 1


async def test_a_request_under_way_may_end_before_the_daemon_does(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver, a={"timeoutSeconds": 60})
        receiver.hanging.add("/a")
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: receiver.told)
            running.process.send_signal(signal.SIGTERM)
            await until(running, lambda: running.logged("daemon.draining"))
            receiver.hanging.clear()
            assert await asyncio.to_thread(running.process.wait, PATIENCE_S) == 0
            assert len(running.logged("alert.delivered")) == 1
        assert world.state()["delivery"]["pendingCount"] == 0
        assert len(receiver.told) == 1


async def test_a_drain_that_takes_too_long_leaves_everything_in_the_journal(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver, a={"timeoutSeconds": 60})
        receiver.hanging.add("/a")
        world.stale()
        async with daemon(world.repo, *world.flags, "--drain-seconds", "0.3", env=world.env) as running:
            await until(running, lambda: receiver.told)
            assert await running.ended() == 0
        assert b'"pending"' in (world.folder() / "alert-outbox.jsonl").read_bytes()
        receiver.hanging.clear()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: len(receiver.told) == 2)
        assert len({one.delivery_id for one in receiver.told}) == 1


async def test_an_open_incident_is_told_again_without_a_new_row(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        delivery = tmp_path / "delivery.json"
        rules = {"schemaVersion": "v1", "routes": {"health_critical": {"repeatIntervalSeconds": 1}}}
        delivery.write_text(json.dumps(rules))
        world.stale()
        async with daemon(world.repo, *world.flags, "--alerts-delivery-file", str(delivery), env=world.env) as running:
            await until(running, lambda: len(receiver.told) >= 3)
            assert await running.ended() == 0
        assert len(world.rows("escalations.jsonl")) == 1
        kinds = [row.get("deliveryKind") for row in world.rows("telemetry/alerts.jsonl")]
        assert kinds[:3] == [None, "repeat", "repeat"]


async def test_the_end_of_a_silence_tells_what_is_still_open(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        world.silence("add", "--matcher", "loopId=demo", "--duration", "1h", "--created-by", "me", "--comment", "why")
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: world.rows("telemetry/alerts.jsonl"))
            assert world.rows("telemetry/alerts.jsonl")[0]["reasonCode"] == "silenced"
            await running.until_metrics({"opsd_alert_silences_active": 1})
            assert receiver.told == []
            path = world.repo / ".superloop/ops-manager/fleet/alert-silences.v1.json"
            world.silence("expire", "--id", json.loads(path.read_bytes())["silences"][0]["id"])
            await until(running, lambda: receiver.told)
            assert await running.ended() == 0
        assert len(world.rows("escalations.jsonl")) == 1
        assert world.rows("telemetry/alerts.jsonl")[1]["deliveryKind"] == "released"


async def test_a_broken_catalog_loses_nothing_and_a_repaired_one_needs_no_signal(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        world.catalog.write_text("{")
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await running.until(shown(lambda alerts: alerts.get("pendingCount") == 1, running))
            await running.until_metrics({"opsd_alert_config_usable": 0})
            write_catalog(world.catalog, world.sinks)
            await until(running, lambda: receiver.told)
            assert await running.ended() == 0
        assert world.rows("telemetry/alerts.jsonl")[0]["reasonCode"] == "route_resolution_failed"


async def test_a_damaged_state_is_told_once_and_stops_no_other_loop(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        world.stale("demo")
        world.stale("other")
        world.folder().mkdir(parents=True)
        state = world.folder() / "alert-dispatch-state.json"
        state.write_text("[1]")
        write_registry(world.repo, {"loopId": "demo"}, {"loopId": "other"})
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: [one.body["source"]["loopId"] for one in receiver.told] == ["other"])
            code = 'opsd_alert_dispatch_failures_total{code="manager_file"}'

            async def failed_again() -> bool:
                return (await running.metrics()).get(code, 0) >= 2

            await running.until(failed_again)
            assert (await view(running))["lastProblem"] == f"invalid dispatch state JSON: {state}"
            rows = world.rows("telemetry/alerts.jsonl")
            assert [(row["status"], row["reasonCode"]) for row in rows] == [("failed_command", "alert_dispatch_failed")]
            assert len(running.logged("alert.dispatch_failed")) == 1
            state.unlink()
            await until(running, lambda: len(receiver.told) == 2)
            assert await running.ended() == 0


async def test_a_command_by_hand_and_the_daemon_take_turns(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver, a={"timeoutSeconds": 60})
        receiver.hanging.add("/a")
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: receiver.told)
            busy = await asyncio.to_thread(world.dispatch)  # waits for its turn, and says that it did not come
            assert busy["lockBusy"] is True
            receiver.hanging.clear()
            told = {"openIncidentCount": 1, "pendingCount": 0}
            await running.until(shown(lambda alerts: told.items() <= alerts.items(), running))
            done = await asyncio.to_thread(world.dispatch)
            assert (done["status"], done["delivery"]["pendingCount"]) == ("no_new_escalations", 0)
            # Rows that something else appended are found without a pass that tells of them.
            row = {"timestamp": LONG_AGO, "category": "made_by_hand"}
            with (world.folder() / "escalations.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            await until(running, lambda: len(receiver.told) == 2)
            assert await running.ended() == 0
        assert len({one.delivery_id for one in receiver.told}) == 2


async def test_a_permanent_refusal_is_a_dead_letter_that_status_warns_of(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.status = 400
        world = World(tmp_path, receiver)
        world.stale()
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await running.until(shown(lambda alerts: alerts.get("deadLetterCount") == 1, running))
            await running.until_metrics(
                {
                    'opsd_loop_alerts_dead_letters{loop="demo"}': 1,
                    'opsd_alert_attempts_total{sink="a",reason="http_error"}': 1,
                }
            )
            receiver.status = 200
            await asyncio.to_thread(world.dispatch, "--replay-dead-letters")
            await running.until(shown(lambda alerts: alerts["deadLetterCount"] == 0, running))
            assert await running.ended() == 0
        assert len({one.delivery_id for one in receiver.told}) == 1


async def test_alerts_that_are_off_send_nothing_and_lose_nothing(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver)
        world.stale()
        off = {**world.env, "OPS_MANAGER_ALERTS_ENABLED": "false"}
        async with daemon(world.repo, *world.flags, env=off) as running:
            await until(running, lambda: world.rows("escalations.jsonl"))
            assert await running.ended() == 0
        assert (receiver.told, world.rows("telemetry/alerts.jsonl")) == ([], [])
        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: receiver.told)


async def test_a_receiver_that_forgets_is_reminded_while_it_lasts_and_of_its_end(tmp_path: Path) -> None:
    async with receiving() as receiver:
        world = World(tmp_path, receiver, a={"type": "alertmanager", "resendSeconds": 1})
        loop = world.stale()

        def alerts() -> list[dict[str, Any]]:
            return [one.body[0] for one in receiver.of("/a/api/v2/alerts")]

        async with daemon(world.repo, *world.flags, env=world.env) as running:
            await until(running, lambda: len(alerts()) >= 3)
            assert not [alert for alert in alerts() if "endsAt" in alert]
            loop.append("iteration_start")
            await until(running, lambda: len([alert for alert in alerts() if "endsAt" in alert]) >= 2)
            metrics = await running.metrics()
            assert await running.ended() == 0
        assert len({json.dumps(alert["labels"]) for alert in alerts()}) == 1
        assert metrics['opsd_alert_deliveries_total{sink="a",outcome="delivered"}'] == 2  # reminders do not count
        assert len(world.rows("telemetry/alerts.jsonl")) == 2


def test_told_knows_its_action() -> None:
    assert Told(0.0, "/a", {"event": {}}, None).action == "trigger"

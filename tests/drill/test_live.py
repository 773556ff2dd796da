"""The drill on a fleet in use: one field, for a while, and never against anybody else's change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opsd.contract.errors import OpsError, UsageError
from opsd.drill.live import LiveKillSwitch, check, switched_on
from opsd.fleet.handoff.words import ExecutionMode
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore
from tests.daemon.fleet_world import FLAGS, FleetWorld
from tests.daemon.support import Daemon, daemon


def held(drill: LiveKillSwitch) -> list[bool]:
    return [one.held for one in drill(Path("/nowhere"))]


@pytest.fixture
def world(tmp_path: Path) -> FleetWorld:
    found = FleetWorld(tmp_path / "repo", "export")
    found.permit()
    return found


class Manager:
    """Stands in for the fleet's manager: evaluates when the drill looks, and does ``also``."""

    def __init__(self, store: FileFleetStore, also: Callable[[], None] = lambda: None) -> None:
        self.store = store
        self.also = also
        self.looks = 0

    def __getattr__(self, name: str) -> object:
        if name == "read":
            return self._read
        return getattr(self.store, name)

    def _read(self, part: FleetDocument | FleetLog, start: int = 0) -> bytes | None:
        if part is FleetDocument.POLICY:
            self.looks += 1
            if self.looks > 1:
                self.also()
            policy = json.loads(self.store.read(FleetDocument.REGISTRY) or b"{}").get("policy")
            document = {"traceId": str(self.looks), "evaluation": {"inputs": {"registry": {"policy": policy}}}}
            return json.dumps(document).encode()
        return self.store.read(part, start)


async def test_under_the_switch_a_real_manager_evaluates_and_dispatches_nothing(world: FleetWorld) -> None:
    registry = world.file("registry.v1.json")
    before = registry.read_bytes()
    world.crash("export")
    crashed: list[str] = []

    class Crashing(FileFleetStore):
        """Lets a run crash under the switch, when the drill looks for an evaluation for the first time."""

        def read(self, part: FleetDocument | FleetLog, start: int = 0) -> bytes | None:
            if part is FleetDocument.POLICY and not crashed and _switch_is_on(world):
                crashed.append("export")
                world.crash("export")
            return super().read(part, start)

    async with daemon(world.repo, *FLAGS, env=world.env) as opsd:
        await opsd.until(lambda: _dispatched(opsd))
        drill = LiveKillSwitch(Crashing(str(world.repo)), patience_s=120.0, hold_s=1.0)
        assert await asyncio.to_thread(held, drill) == [True, True, True]
    assert crashed
    assert registry.read_bytes() == before


async def _dispatched(found: Daemon) -> bool:
    return bool(found.logged("autonomy.dispatched"))


def _switch_is_on(world: FleetWorld) -> bool:
    return bool(world.document("registry.v1.json")["policy"]["autonomous"].get("safety", {}).get("killSwitch"))


def test_without_a_manager_it_fails_and_the_registry_is_put_back(world: FleetWorld) -> None:
    before = world.file("registry.v1.json").read_bytes()
    assert held(LiveKillSwitch(FileFleetStore(str(world.repo)), 0.0, 0.0)) == [False, True, True]
    assert world.file("registry.v1.json").read_bytes() == before


def test_an_older_evaluation_with_the_switch_on_is_no_evidence(world: FleetWorld) -> None:
    store = FileFleetStore(str(world.repo))
    registry = {"policy": {"autonomous": {"safety": {"killSwitch": True}}}}
    store.replace(FleetDocument.POLICY, {"traceId": "t", "evaluation": {"inputs": {"registry": registry}}})
    assert held(LiveKillSwitch(store, 0.0, 0.0)) == [False, True, True]


def test_a_dispatch_under_the_switch_fails_it(world: FleetWorld) -> None:
    store = FileFleetStore(str(world.repo))
    row = {"attemptId": "a", "loopId": "export", "mode": ExecutionMode.AUTONOMOUS.value}
    manager = Manager(store, lambda: store.append(FleetLog.HANDOFF_ATTEMPTS, [row]))
    assert held(LiveKillSwitch(manager, 1.0, 0.0)) == [True, False, True]  # type: ignore[arg-type]


def test_what_somebody_else_changed_meanwhile_stays(world: FleetWorld) -> None:
    registry = world.file("registry.v1.json")

    def edit() -> None:
        registry.write_text(registry.read_text().replace('"tests"', '"renamed"'))

    manager = Manager(FileFleetStore(str(world.repo)), edit)
    assert held(LiveKillSwitch(manager, 1.0, 0.0)) == [True, True, False]  # type: ignore[arg-type]
    left = json.loads(registry.read_text())
    assert (left["fleetId"], left["policy"]["autonomous"]["safety"]["killSwitch"]) == ("renamed", True)


def test_an_interrupted_drill_puts_the_registry_back(world: FleetWorld) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before = world.file("registry.v1.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        LiveKillSwitch(Manager(FileFleetStore(str(world.repo)), interrupt))(Path("/nowhere"))  # type: ignore[arg-type]
    assert world.file("registry.v1.json").read_bytes() == before


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ("", "there is no usable fleet registry: f"),
        ("[]", "there is no usable fleet registry: f"),
        (
            '{"policy": {"mode": "advisory"}}',
            "the fleet's policy mode is not guarded_auto: there is nothing to switch off",
        ),
        (
            '{"policy": {"mode": "guarded_auto", "autonomous": {"safety": {"killSwitch": true}}}}',
            "the kill switch is on already; a drill does not release it",
        ),
    ],
)
def test_what_cannot_be_switched_on(registry: str, message: str) -> None:
    with pytest.raises(OpsError) as refused:
        switched_on(registry.encode(), "f")
    assert refused.value.message == message


def test_only_the_switch_is_changed() -> None:
    registry = {"x": [1], "policy": {"mode": "guarded_auto", "autonomous": {"y": 0.1, "safety": {"z": None}}}}
    changed = json.loads(switched_on(json.dumps(registry).encode(), "f"))
    assert changed["policy"]["autonomous"]["safety"].pop("killSwitch") is True
    assert changed == registry


def test_it_says_what_it_will_do_and_needs_a_confirmation() -> None:
    store = FileFleetStore("/r")
    with pytest.raises(UsageError, match=r"sets policy\.autonomous\.safety\.killSwitch in /r/.*give --confirm"):
        check(["kill-switch"], store, confirmed=False)
    for names in (["sprite-outage"], ["kill-switch", "sprite-outage"]):
        with pytest.raises(UsageError, match="only kill-switch"):
            check(names, store, confirmed=True)
    check(["kill-switch"], store, confirmed=True)

"""A confirmed drill of the fleet in use, ordered over HTTP: a real daemon, and loops that its autonomy would act on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from opsd.access.model import Scope
from opsd.contract.timestamps import parse_epoch
from opsd.promotion.evidence import read_drills
from opsd.promotion.gates import drill_recency
from opsd.storage.fleet_store import FileFleetStore
from tests.api.world import ApiWorld
from tests.cli.process import on_a_terminal, opsd
from tests.daemon import fleet_world
from tests.daemon.support import Daemon
from tests.promotion import factories

_T = TypeVar("_T")

_EVIDENCE = "drills/promotion.v1.json"
_LIVE = {"drill": "kill-switch", "fleet": "live"}
_COMMAND = ("drill", "run", "kill-switch", "--fleet", "live")
_CLAIMS = [
    "the fleet's manager evaluates its policy with the switch on",
    "no autonomous dispatch starts under the switch",
    "the registry is as it was before",
]


class LiveFleet(ApiWorld):
    """Two loops that autonomy cancels once their runs have died."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "alpha", "beta")
        self.live["alpha"].active(False)
        self.permit(safety={"cooldownSeconds": 0})
        self.registry_file = self.file("registry.v1.json")
        #: There once the runtime was called while the registry showed the switch.
        self.called_under_the_switch = root / "called-under-the-switch"
        self.before_call.write_text(
            f"#!/bin/sh\ngrep -q '\"killSwitch\": *true' '{self.registry_file}' && "
            f"touch '{self.called_under_the_switch}'\nexit 0\n"
        )
        self.before_call.chmod(0o755)
        self.principal("ann", Scope.POLICY)

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[Daemon]:
        """The daemon; autonomy has acted on one loop."""
        flags = (*fleet_world.FLAGS, "--reconcile-resync-seconds", "1")
        async with self.running(*flags) as running:
            self.crash("alpha")
            await running.until(self.acted(1))
            yield running

    def acted(self, times: int) -> Callable[[], Awaitable[bool]]:
        """Whether autonomy has called the runtime so often."""

        async def called() -> bool:
            return len(self.calls) >= times

        return called

    async def switch_is_on(self) -> bool:
        """In the registry."""
        return bool(self.registry()["policy"]["autonomous"]["safety"].get("killSwitch"))

    async def beta_is_held_back(self) -> bool:
        """By the switch, as the policy says."""
        found = [one for one in self.document("policy-state.json")["candidates"] if one["loopId"] == "beta"]
        return any("autonomous_kill_switch_enabled" in one["autonomous"]["reasons"] for one in found)

    async def drilled(self, running: Daemon, order: Awaitable[_T]) -> _T:
        """What a drill answers in the middle of which beta's run dies; what holds whoever orders it."""
        registry, calls = self.registry_file.read_bytes(), len(self.calls)
        ordered = asyncio.ensure_future(order)
        await running.until(self.switch_is_on)
        self.crash("beta")
        await running.until(self.beta_is_held_back)
        status, refused = await self.client(running, "ann").post("/drills", {"drill": "all"})
        assert (status, refused["error"]["code"]) == (503, "busy")
        answered = await ordered
        assert self.registry_file.read_bytes() == registry
        await running.until(self.acted(calls + 1))  # autonomy goes on where it was held back
        assert not self.called_under_the_switch.exists()
        return answered

    def judged_evidence(self) -> Any:
        """The one entry, which passes the gate; the other two drills are still missing."""
        verdict = drill_recency.GATE.judge(
            factories.inputs(drills=read_drills(FileFleetStore(str(self.repo))), now=int(time.time()))
        )
        assert verdict.reasons == [
            "promotion_drill_missing_sprite_service_outage",
            "promotion_drill_missing_ambiguous_retry_guard",
        ]
        (entry,) = self.document(_EVIDENCE)["drills"]
        requested = next(row for row in self.operations() if row["action"] == "runDrill")
        assert (entry["requestedBy"], entry["traceId"]) == ("ann", requested["traceId"])
        assert (entry["id"], entry["fleet"], entry["status"]) == ("kill_switch", "live", "pass")
        assert [(one["claim"], one["held"]) for one in entry["observed"]] == [(claim, True) for claim in _CLAIMS]
        assert (parse_epoch(entry["startedAt"]) or 0) >= (parse_epoch(requested["timestamp"]) or 0) > 0
        assert {"sandbox", "error"}.isdisjoint(entry)
        return entry


async def test_ordered_over_http_it_holds_and_leaves_the_fleet_as_it_was(tmp_path: Path) -> None:
    world = LiveFleet(tmp_path)
    async with world.in_use() as running:
        ann = world.client(running, "ann")
        status, answered = await world.drilled(running, ann.post("/drills", {**_LIVE, "confirm": True}))
        entry = world.judged_evidence()
        assert (status, answered["exitCode"]) == (200, 0)
        assert (answered["result"]["passed"], answered["result"]["drills"]) == (True, [entry])


async def test_ordered_by_a_command_it_holds_and_prints_what_the_command_on_the_host_would(tmp_path: Path) -> None:
    world = LiveFleet(tmp_path)
    async with world.in_use() as running:
        env = {"OPSD_API_TOKEN": world.tokens["ann"]}
        command = (*_COMMAND, "--confirm", "--server", running.url)
        code, page = await world.drilled(running, on_a_terminal(*command, env=env))
        world.judged_evidence()
        assert code == 0
        lines = [line.strip() for line in page.splitlines()]
        assert lines[:4] == ["kill-switch ...", *(f"held    {claim}" for claim in _CLAIMS)]
        assert lines[4].startswith("passed after ")
        assert lines[5:] == [f"recorded in {world.file(_EVIDENCE)}"]


async def test_refused_it_changes_nothing(tmp_path: Path) -> None:
    world = LiveFleet(tmp_path)
    world.principal("eve", Scope.READ, Scope.CONTROL)
    world.principal("bob", Scope.POLICY, loops=("al*",))
    confirmed = {**_LIVE, "confirm": True}
    async with world.in_use() as running:
        before = world.registry_file.stat()
        for name, body, expected in (
            (None, confirmed, (401, "unauthorized")),
            ("eve", confirmed, (403, "forbidden")),
            ("bob", confirmed, (403, "forbidden")),
            ("ann", _LIVE, (409, "command_failed")),
            ("ann", {**_LIVE, "confirm": "yes"}, (400, "invalid_request")),
        ):
            status, answered = await world.client(running, name).post("/drills", body)
            assert (status, answered["error"]["code"]) == expected, (name, body)
        for name, flags, said in (
            ("eve", ("--confirm",), "this needs the scope policy"),
            ("ann", (), "give --confirm to do that"),
        ):
            env = {"OPSD_SERVER": running.url, "OPSD_API_TOKEN": world.tokens[name]}
            refused = await opsd(*_COMMAND, *flags, env=env)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert said in refused.stderr
        world.crash("beta")
        await running.until(world.acted(2))
        after = world.registry_file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not world.file(_EVIDENCE).exists()
    assert {row["principal"] for row in world.operations()} == {"ann"}

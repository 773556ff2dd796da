"""The world of the autonomy machine: a disk, two managers over it, their clocks, a runtime, and the rails in prose.

What must hold, whatever managers crash, interleave, lie about the time, or find in the registry:

Of every policy state that is published:

* caps: no more candidates are eligible than ``maxActionsPerRun``, of one loop no more than ``maxActionsPerLoop``;
* cooldown: none is eligible that an earlier published state had eligible less than ``cooldownSeconds`` ago, by the
  clock of the manager that decides; a moment in its future counts as now;
* cohort: all eligible loops are in the scope, and their bucket is below ``canaryPercent``;
* pause and kill switch: none is eligible under either, nor while the newest autonomous executions went badly;
* governance: none is eligible in ``advisory`` mode, nor once the review deadline has passed.

At the moment of every autonomous dispatch:

* the manager holds the fleet's lock; nobody else gets in meanwhile;
* the attempt is on disk;
* the registry on disk shows no kill switch, no manual pause, and a deadline that lies ahead by this manager's clock;
* the published state has the candidate eligible, and no more than ``maxActionsPerRun`` intents are dispatched by it;
* retry guard: the intent's last dispatch did not end ambiguous, failed or unknown, unless a person executed it since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError, ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.fleet.handoff.dispatch import ControlAnswer, DispatchRequest, Order
from opsd.fleet.handoff.run import Handoff, HandoffRequest
from opsd.fleet.handoff.words import ExecutionMode
from opsd.fleet.loop_answer import LoopAnswer, no_outcome
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import LoopPass, Observation, observed_state
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.fleet.rollup import FleetOptions
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.follow import Fold
from opsd.supervisor.fleet.cycle import CycleRun, CycleSettings, FleetCycle, Step
from tests.fleet.handoff_support import AUTONOMOUS, MANUAL, Crash, MemoryStore

LOOPS = ("a", "b", "c", "d")
START = 1_790_000_000
DAY = 86_400


class Follower:
    """:class:`opsd.storage.follow.LogFollower` over memory."""

    def __init__(self, disk: Disk, log: FleetLog, fold: Fold) -> None:
        self._disk, self._log, self._fold, self._offset = disk, log, fold, 0
        self._begun = 0

    def catch_up(self) -> None:
        data = self._disk.parts.get(self._log, b"")
        end = data.rfind(b"\n") + 1
        if end < self._offset or self._begun != self._disk.begun.get(self._log, 0):
            self._offset, self._begun = 0, self._disk.begun.get(self._log, 0)
            self._fold.reset()
        for line in data[self._offset : end].splitlines():
            try:
                self._fold.add(jsoncodec.loads(line))
            except ValueError:
                raise ManagerFileError(f"invalid JSONL: {self._log}") from None
        self._offset = end


@dataclass
class Disk(MemoryStore):
    """A disk that excludes, tears the line that a crash is in, and tells of what is published."""

    holder: str | None = None
    who: str = ""
    published: Callable[[JsonObject], None] = lambda _state: None
    begun: dict[FleetLog, int] = field(default_factory=dict)

    @contextmanager
    def lock(self, *, wait_s: float) -> Iterator[None]:
        if self.holder is not None:
            raise LockTimeoutError("another process works on this fleet")
        self.holder = self.who
        try:
            yield
        finally:
            self.holder = None

    def follower(self, log: FleetLog, fold: Fold, *, what: str) -> Any:
        return Follower(self, log, fold)

    def size(self, log: FleetLog) -> int:
        """Logs seem large, so that those which are bounded begin anew every few runs."""
        return super().size(log) * 16 * 1024

    def begin_anew(self, log: FleetLog, rows: Any) -> None:
        super().begin_anew(log, rows)
        self.begun[log] = self.begun.get(log, 0) + 1

    def append(self, log: FleetLog, rows: Any, *, durable: bool = False, rotate_over: int = 0) -> None:
        try:
            super().append(log, rows, durable=durable, rotate_over=rotate_over)
        except Crash:
            if rows:
                self.parts[log] = self.parts.get(log, b"") + jsoncodec.dumps(rows[0])[:-1]
            raise

    def append_audited(self, log: FleetLog, rows: Any) -> None:
        self.drop_torn_row(log)
        self.append(log, rows)

    def replace(self, document: FleetDocument, value: JsonObject) -> None:
        super().replace(document, value)
        if document is FleetDocument.POLICY:
            self.published(jsoncodec.loads(self.parts[document]))

    def rows(self, log: FleetLog) -> list[JsonObject]:
        data = self.parts.get(log, b"")
        return [jsoncodec.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


@dataclass
class Turn:
    """What happens during one turn of a manager: ``None`` where nothing does; counted in steps that reach the disk."""

    exits: tuple[int, ...] = (0,)
    crash_after: int | None = None
    edit_after: int | None = None
    edit: str = "kill"
    intruder: bool = False
    #: Somebody has taken the brakes off before, and has waited until no cooldown runs.
    released: bool = False


@dataclass
class World:
    """See the module's docstring. ``now`` is the true time, ``skew`` how wrong each manager's clock is."""

    disk: Disk = field(default_factory=Disk)
    now: int = START
    skew: dict[str, int] = field(default_factory=lambda: {"east": 0, "west": 0})
    trouble: dict[str, str] = field(default_factory=dict)
    safety: dict[str, Any] = field(default_factory=lambda: {"cooldownSeconds": 60, "maxActionsPerRun": 2})
    rollout: dict[str, Any] = field(default_factory=dict)
    mode: str = "guarded_auto"
    window_s: int = 0
    review_in_s: int = 30 * DAY
    turn: Turn = field(default_factory=Turn)
    steps: int = 0
    calls: int = 0
    #: When each candidate was eligible in a published state.
    eligible_at: dict[str, list[int]] = field(default_factory=dict)
    #: Intents dispatched by the published state.
    by_state: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)
    attempts_seen: int = 0

    def __post_init__(self) -> None:
        self.disk.tick = self._tick
        self.disk.published = self._published
        self.write_registry()
        self.managers = {name: self._manager(name) for name in self.skew}

    def _manager(self, name: str) -> FleetCycle:
        order = Order(AUTONOMOUS, name)
        return FleetCycle(
            self.disk,
            CycleSettings(order),
            lambda registry, run: self._rollup(registry, run, name),
            lambda request: self._control(request, name),
            lambda _loop: False,
            clock=lambda: self.clock(name),
            monotonic=lambda: 0.0,
        )

    def clock(self, name: str) -> int:
        return self.now + self.skew[name]

    # The registry and the loops.

    def registry(self) -> JsonObject:
        governance = {
            "actor": "lead",
            "approvalRef": "CHG-1",
            "rationale": "nights",
            "changedAt": format_utc(START - DAY),
            "reviewBy": format_utc(START + self.review_in_s),
        }
        autonomous = {
            "governance": governance,
            "safety": self.safety,
            "rollout": self.rollout,
            "allow": {"categories": ["reconcile_failed", "health_critical"], "intents": ["cancel"]},
        }
        policy = {
            "mode": self.mode,
            "noiseControls": {"dedupeWindowSeconds": self.window_s},
            "autonomous": autonomous,
        }
        return {"schemaVersion": "v1", "loops": [{"loopId": name} for name in LOOPS], "policy": policy}

    def write_registry(self) -> None:
        self.disk.parts[FleetDocument.REGISTRY] = jsoncodec.dumps(self.registry())

    @property
    def on_disk(self) -> Any:
        return jsoncodec.loads(self.disk.parts[FleetDocument.REGISTRY])["policy"]["autonomous"]

    def _rollup(self, registry: JsonObject, run: CycleRun, name: str) -> JsonObject:
        moment = LoopTime(self.clock(name), self.clock(name), 0.0)
        seen = {}
        for loop in LOOPS:
            kind = self.trouble.get(loop, "healthy")
            answer = LoopAnswer(True, {"health": {"status": kind}})
            if kind == "failed":
                answer = no_outcome("gone")
            elif kind == "both":
                answer = LoopAnswer(False, {"status": "critical"}, "gone")
            seen[loop] = Observation(LoopPass(answer, moment, "t"))
        return observed_state("/r", registry, FleetOptions(run.trace_id), seen, moment, env={})

    # What a manager, or a person, does.

    def cycle(self, name: str, turn: Turn) -> CycleRun:
        """One run of a manager's steps."""
        run = CycleRun()
        self._do(name, turn, lambda: self.managers[name].run(run))
        return run

    def policy(self, name: str, turn: Turn) -> None:
        """``opsd fleet policy`` by hand."""

        def work() -> None:
            if self.disk.exists(FleetDocument.STATE):
                with self.disk.lock(wait_s=0):
                    registry = self.managers[name].registry.permitting()
                    run_policy(self.disk, registry, PolicyRequest(), clock=lambda: self.clock(name))

        self._do(name, turn, work)

    def handoff(self, name: str, mode: ExecutionMode | None, turn: Turn) -> None:
        """``opsd fleet handoff`` by hand."""
        order = None if mode is None else Order(mode, "mira")
        found = Handoff(
            self.disk,
            self.managers[name].registry.permitting,
            lambda request: self._control(request, name),
            clock=lambda: self.clock(name),
        )
        self._do(name, turn, lambda: found.run(HandoffRequest(order=order)))

    def _do(self, name: str, turn: Turn, work: Callable[[], object]) -> None:
        self.turn, self.steps, self.calls, self.disk.who = turn, 0, 0, name
        if turn.released:
            self._release()
        try:
            work()
        except Crash:
            self.managers[name] = self._manager(name)  # a new process, which remembers nothing
        finally:
            self.disk.holder = None
        self._learn()

    def _tick(self, _what: str) -> None:
        """Something is about to reach the disk, or control is about to be called."""
        if self.steps == self.turn.edit_after:
            self._brake()
        if self.steps == self.turn.crash_after:
            self.steps += 1
            raise Crash
        self.steps += 1

    def _release(self) -> None:
        self.now += int(self.safety["cooldownSeconds"])
        self.safety = {**self.safety, "killSwitch": False}
        self.rollout = {**self.rollout, "pause": {"manual": False}}
        self.review_in_s = self.now - START + 30 * DAY
        self.write_registry()

    def _brake(self) -> None:
        if self.turn.edit == "kill":
            self.safety = {**self.safety, "killSwitch": True}
        elif self.turn.edit == "pause":
            self.rollout = {**self.rollout, "pause": {"manual": True}}
        else:
            self.review_in_s = self.now - START - 1
        self.write_registry()

    # Where the rails are held against what happens.

    def _control(self, request: DispatchRequest, name: str) -> ControlAnswer:
        _, mode, intent_id = request.note.split(":", 2)
        assert self.disk.holder == name, "dispatched without the lock"
        attempt = self.disk.rows(FleetLog.HANDOFF_ATTEMPTS)[-1]
        assert (attempt["intentId"], attempt["category"]) == (intent_id, "fleet_handoff_attempt"), "not on disk first"
        if mode == AUTONOMOUS:
            self._check_dispatch(intent_id, name)
        self.barred.add(intent_id)
        if self.turn.intruder:
            self._intrude("west" if name == "east" else "east")
        self.calls += 1
        self.disk.tick("control")
        return ControlAnswer(self.turn.exits[(self.calls - 1) % len(self.turn.exits)], {"status": "said"})

    def _check_dispatch(self, intent_id: str, name: str) -> None:
        registry = self.on_disk
        assert not registry["safety"].get("killSwitch"), "kill switch"
        assert not registry["rollout"].get("pause", {}).get("manual"), "manual pause"
        assert self.clock(name) < (parse_epoch(registry["governance"]["reviewBy"]) or 0), "review deadline"
        assert intent_id not in self.barred, "retry guard"
        state = jsoncodec.loads(self.disk.parts[FleetDocument.POLICY])
        assert intent_id in {f"{one}:cancel" for one in _eligible(state)}, "not eligible"
        self.by_state.add(intent_id)
        cap = _controls(state)["safety"]["maxActionsPerRun"]
        assert len(self.by_state) <= cap, "more dispatches than one evaluation may lead to"

    def _intrude(self, other: str) -> None:
        before, run = dict(self.disk.parts), CycleRun()
        self.disk.who, who = other, self.disk.who
        self.managers[other].run(run)
        self.disk.who = who
        assert run.failure is not None
        assert run.failure[0] is Step.LOCK
        assert self.disk.parts == before, "two managers at a time"

    def _published(self, state: JsonObject) -> None:
        controls, decided_at = _controls(state), parse_epoch(state["updatedAt"]) or 0
        eligible = _eligible(state)
        self.by_state = set()
        safety, rollout = controls["safety"], controls["rollout"]
        if eligible:
            assert state["mode"] == "guarded_auto", "advisory"
            assert not safety["killSwitch"], "kill switch"
            assert not rollout["pause"]["manual"], "manual pause"
            assert not self._went_badly(rollout["autoPause"]), "automatic pause"
            assert decided_at < (parse_epoch(controls["governance"]["reviewBy"]) or 0), "review deadline"
        assert len(eligible) <= safety["maxActionsPerRun"], "cap of a run"
        scope = rollout["scope"]["loopIds"]
        for one in eligible:
            loop = one.partition(":")[0]
            same = [other for other in eligible if other.partition(":")[0] == loop]
            assert len(same) <= safety["maxActionsPerLoop"], "cap of a loop"
            assert not scope or loop in scope, "scope"
            assert bucket(loop, rollout["selector"]["salt"]) < rollout["canaryPercent"], "canary"
            for before in self.eligible_at.get(one, ()):
                assert max(0, decided_at - before) >= safety["cooldownSeconds"], "cooldown"
        for one in eligible:
            self.eligible_at.setdefault(one, []).append(decided_at)

    def _went_badly(self, rules: JsonObject) -> bool:
        rows = [
            row
            for row in self.disk.rows(FleetLog.HANDOFF)
            if row["category"] == "fleet_handoff_execute" and row["execution"]["mode"] == AUTONOMOUS
        ]
        newest = sorted(rows, key=lambda row: row["timestamp"])[-rules["lookbackExecutions"] :]
        attempted = sum(row["execution"]["requestedIntentCount"] for row in newest)
        if not rules["enabled"] or not attempted or attempted < rules["minSampleSize"]:
            return False
        ambiguous = sum(row["execution"]["ambiguousCount"] for row in newest) / attempted
        failed = sum(row["execution"]["failedCount"] for row in newest) / attempted
        return bool(ambiguous >= rules["ambiguityRateThreshold"] or failed >= rules["failureRateThreshold"])

    def _learn(self) -> None:
        rows = self.disk.rows(FleetLog.HANDOFF_ATTEMPTS)
        for row in rows[self.attempts_seen :]:
            if row.get("status") == "executed":
                self.barred.discard(row["intentId"])
        self.attempts_seen = len(rows)


def bucket(loop_id: str, salt: str) -> int:
    """The bucket as the contract says it (70, 7), written down once more."""
    value = 17
    for code in map(ord, f"{loop_id}|{salt}"):
        value = (value * 31 + code) % 1_000_003
    return value % 100


def _eligible(state: JsonObject) -> list[str]:
    return [one["candidateId"] for one in state["candidates"] if one["autonomous"]["eligible"]]


def _controls(state: JsonObject) -> Any:
    return state["evaluation"]["inputs"]["registry"]["policy"]["autonomous"]


__all__ = ["DAY", "LOOPS", "MANUAL", "Turn", "World", "bucket"]

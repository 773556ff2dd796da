"""One run of the fleet's steps: rollup, policy, handoff plan, and autonomous dispatch where everything permits it.

Invariants:

* loops are waited for before the fleet's lock is taken, so that a loop that hangs keeps no command from it;
* all steps of a run happen under one hold of the lock, so that a command by hand comes before or after them, and what
  the policy lets go is dispatched by the evaluation that let it go or not at all (contract 70, weakness 14);
* nothing is dispatched unless the registry, read from disk after the attempt was written down, permits it (80, 7);
* no dispatch starts once the run is halted or its step is out of time;
* a step that fails ends the run; what was written before it stands, each document whole.

Blocking: for a thread of its own. The daemon's event loop is asked through ``observe``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.fleet.handoff.dispatch import Dispatch, Order
from opsd.fleet.handoff.run import Handoff, HandoffRequest
from opsd.fleet.handoff.safety import brakes
from opsd.fleet.handoff.targets import pool
from opsd.fleet.handoff.words import Brake, ExecutionMode
from opsd.fleet.policy.due import Due, policy_due
from opsd.fleet.policy.memory import PolicyMemory
from opsd.fleet.policy.report import parse_report
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.fleet.policy.words import Mode
from opsd.fleet.publish import prepare, publish
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore
from opsd.supervisor.fleet.registry import FleetRegistry, Reading


class Step(StrEnum):
    """The steps, in their order; a run that fails names one of them."""

    REFRESH = "refresh"
    LOCK = "lock"
    REGISTRY = "registry"
    RECONCILE = "reconcile"
    POLICY = "policy"
    HANDOFF = "handoff"
    EXECUTE = "execute"


@dataclass(slots=True)
class CycleRun:
    """One run while it goes on and after it: which step it is at, what came of it. Read by other threads.

    ``halt`` is why it may not dispatch any more, "" while it may; whoever watches it sets it.
    """

    trace_id: str = field(default_factory=new_trace_id)
    began: float = field(default_factory=time.monotonic)
    step: Step = Step.REFRESH
    step_began: float = 0.0
    durations: dict[Step, float] = field(default_factory=dict)
    failure: tuple[Step, str] | None = None
    halt: str = ""
    reading: Reading | None = None
    due: Due | None = None
    #: Loops whose pass was run for this run.
    requested: frozenset[str] = frozenset()
    #: The documents of the steps that ran.
    fleet: JsonObject | None = None
    policy: JsonObject | None = None
    handoff: JsonObject | None = None
    execution: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class CycleSettings:
    """How a run goes. ``autonomous`` off: nothing is dispatched whatever the registry permits; ``lock_wait_s`` seconds.

    ``skip_empty_executions``: executions that attempted nothing do not count for auto-pause.
    """

    order: Order
    autonomous: bool = True
    lock_wait_s: float = 30.0
    skip_empty_executions: bool = False


#: The fleet's rollup for a normalized registry and a run: what the daemon knows of its loops.
Observe = Callable[[JsonObject, CycleRun], JsonObject]
#: Waits for passes over the loops that were not looked at lately.
Refresh = Callable[[JsonObject, CycleRun], None]


def _nothing(_registry: JsonObject, _run: CycleRun) -> None:
    """Every loop was looked at lately."""


class FleetCycle:
    """Runs the steps of one fleet, with what they remember between runs. For one thread.

    Args:
        observe: makes the rollup, under the fleet's lock: what takes long belongs into ``refresh``.
        dispatch: control.
        is_busy: whether somebody is carrying out an intent of a loop right now.
    """

    def __init__(
        self,
        store: FleetStore,
        settings: CycleSettings,
        observe: Observe,
        dispatch: Dispatch,
        is_busy: Callable[[str], bool],
        *,
        refresh: Refresh = _nothing,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = FleetRegistry(store, clock)
        self._store = store
        self._settings = settings
        self._observe = observe
        self._refresh = refresh
        self._clock = clock
        self._monotonic = monotonic
        self._memory = PolicyMemory(store)
        self._planner = Handoff(store, self.registry.observing, dispatch, is_busy, clock=clock)

    def run(self, run: CycleRun) -> None:
        """Carry out ``run``, which tells the rest; nothing where there is no registry.

        Raises nothing that a file, a registry or a loop can cause.
        """
        try:
            if self.registry.missing:
                return
            with self._at(run, Step.REFRESH):
                self._refresh(self.registry.read().document, run)
            with ExitStack() as held:
                with self._at(run, Step.LOCK):
                    held.enter_context(self._store.lock(wait_s=self._settings.lock_wait_s))
                self._steps(run)
        except OpsError as error:
            run.failure = (run.step, error.message)
        except OSError as error:
            run.failure = (run.step, error.strerror or type(error).__name__)

    def _steps(self, run: CycleRun) -> None:
        with self._at(run, Step.REGISTRY):
            reading = run.reading = self.registry.read()
        if run.halt:
            return
        with self._at(run, Step.RECONCILE):
            prepare(self._store)
            run.fleet = self._observe(reading.document, run)
            publish(self._store, run.fleet)
        if reading.problem is not None:
            # As every command would: a registry that cannot be used proposes nothing and permits nothing.
            run.step = Step.REGISTRY
            raise OpsError(reading.problem)
        with self._at(run, Step.POLICY):
            run.due = self._due(reading, run.fleet)
            if run.due is None:
                return
            run.policy = self._evaluate(reading, run)
        with self._at(run, Step.HANDOFF):
            run.handoff = self._planner.run_locked(HandoffRequest())
        if run.halt or not self._may_execute(reading, run.handoff):
            return
        with self._at(run, Step.EXECUTE):
            executor = replace(
                self._planner, read_registry=self.registry.permitting, halted=lambda: [run.halt] if run.halt else []
            )
            run.handoff = executor.run_locked(HandoffRequest(order=self._settings.order))
            run.execution = run.handoff["execution"]

    def _due(self, reading: Reading, fleet: JsonObject) -> Due | None:
        # The evaluation itself says what is wrong with a prior state that is none.
        known = jsoncodec.object_in(self._store.read(FleetDocument.POLICY))
        report = parse_report(jsoncodec.dumps(fleet), self._store.location(FleetDocument.STATE))
        return policy_due(known, reading.document.get("policy"), report, now=self._clock())

    def _evaluate(self, reading: Reading, run: CycleRun) -> JsonObject:
        request = PolicyRequest(
            trace_id=run.trace_id,
            skip_empty_executions=self._settings.skip_empty_executions,
            require_review=True,
        )
        return run_policy(self._store, reading.document, request, clock=self._clock, memory=self._memory)

    def _may_execute(self, reading: Reading, handoff: JsonObject) -> bool:
        """Whether an execution could dispatch anything; one that cannot would only dilute what auto-pause looks at."""
        return (
            self._settings.autonomous
            and get(reading.document, "policy", "mode") == Mode.GUARDED_AUTO
            and not reading.expired
            and not brakes(reading.document)
            and bool(pool(handoff["intents"], ExecutionMode.AUTONOMOUS))
        )

    @contextmanager
    def _at(self, run: CycleRun, step: Step) -> Iterator[None]:
        run.step_began = self._monotonic()
        run.step = step
        try:
            yield
        finally:
            run.durations[step] = self._monotonic() - run.step_began


def halted_by(*, stopping: bool) -> str:
    """The brake of a run that may go no further: the daemon ends, or a step is out of time."""
    return (Brake.STOPPING if stopping else Brake.OUT_OF_TIME).value

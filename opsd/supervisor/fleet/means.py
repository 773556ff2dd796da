"""What the fleet's steps work with in the daemon, put together from its settings: store, control, rollup, views."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from opsd import compose
from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import Dispatch, Order
from opsd.fleet.handoff.words import ExecutionMode
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import Observation, observed_state
from opsd.fleet.rollup import FleetOptions
from opsd.fleet.status.document import fleet_status
from opsd.fleet.status.read import read_status_inputs
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.fleet.cycle import CycleRun, CycleSettings, FleetCycle
from opsd.supervisor.fleet.passes import FleetPasses
from opsd.supervisor.fleet.registry import FleetRegistry
from opsd.supervisor.fleet.timer import TimerSettings
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.tokens import service_token

#: Passes are waited for so much longer than one may take: they stand in a queue first.
_QUEUE_S = 5.0
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class RollupMaker:
    """Makes the rollup for a run's thread, from what the event loop's thread knows.

    Args:
        loop: where ``passes`` lives.
        stopping: the daemon ends; nothing is waited for any more.
    """

    repo: str
    env: Mapping[str, str]
    settings: Settings
    passes: FleetPasses
    loop: asyncio.AbstractEventLoop
    stopping: Callable[[], bool]

    def refresh(self, registry: JsonObject, run: CycleRun) -> None:
        """Wait for new passes over the loops that were not looked at lately.

        Raises:
            OpsError: the daemon ends.
        """
        wait_s = self.settings.reconcile.deadline_seconds + _QUEUE_S
        found = self._observations(registry, max_age_s=self.settings.fleet.max_pass_age_seconds, wait_s=wait_s)
        run.requested = frozenset(name for name, observation in found.items() if observation.requested)

    def __call__(self, registry: JsonObject, run: CycleRun) -> JsonObject:
        """The fleet's state. Nobody is waited for long: a loop that :meth:`refresh` waited for in vain has failed.

        Raises:
            OpsError: the daemon ends.
        """
        began = (time.time(), time.monotonic())
        of_this_run = time.monotonic() - run.began
        max_age_s = self.settings.fleet.max_pass_age_seconds + of_this_run
        observations = {
            name: replace(found, requested=True) if name in run.requested and found.last is not None else found
            for name, found in self._observations(registry, max_age_s=max_age_s, wait_s=_QUEUE_S).items()
        }
        options = FleetOptions(
            run.trace_id,
            max_parallel=self.settings.reconcile.max_parallel,
            max_events=str(self.settings.limits.max_events_per_pass),
        )
        taken = LoopTime(began[0], time.time(), time.monotonic() - began[1])
        return observed_state(self.repo, registry, options, observations, taken, env=self.env)

    def _observations(self, registry: JsonObject, *, max_age_s: float, wait_s: float) -> Mapping[str, Observation]:
        names = enabled_loops(registry)
        asked = asyncio.run_coroutine_threadsafe(
            self.passes.observe(names, max_age_s=max_age_s, wait_s=wait_s), self.loop
        )
        while True:
            try:
                return asked.result(timeout=_LOOK_S)
            except concurrent.futures.TimeoutError:
                if self.stopping():
                    asked.cancel()
                    raise OpsError("the daemon ends") from None


def enabled_loops(registry: JsonObject) -> list[str]:
    """The loops of a normalized registry that are looked at, in its order."""
    return [item["loopId"] for item in registry["loops"] if item.get("enabled") is not False]


def fleet_store(repo: str, settings: Settings) -> FileFleetStore:
    """The fleet's files."""
    file = settings.registry.file
    return FileFleetStore(repo, None if file is None else {FleetDocument.REGISTRY: str(file)})


def fleet_cycle(repo: str, env: Mapping[str, str], settings: Settings, rollup: RollupMaker) -> FleetCycle | None:
    """The cycle; None where it is switched off.

    Raises:
        SettingsError: the service token cannot be used.
    """
    if not settings.fleet.enabled:
        return None
    wanted = settings.fleet
    control = handoff_dispatch(repo, env, settings)
    order = Order(
        ExecutionMode.AUTONOMOUS,
        wanted.requested_by,
        timeout_s=wanted.confirm_timeout_seconds,
        interval_s=wanted.confirm_interval_seconds,
    )
    return FleetCycle(
        fleet_store(repo, settings),
        CycleSettings(order, wanted.autonomous, wanted.lock_wait_seconds, wanted.skip_empty_executions),
        rollup,
        control,
        partial(compose.loop_is_controlled, repo),
        refresh=rollup.refresh,
    )


def timer_settings(settings: Settings) -> TimerSettings:
    """How often, and how long a step may take."""
    fleet = settings.fleet
    return TimerSettings(fleet.interval_seconds, fleet.step_deadline_seconds, fleet.execute_deadline_seconds)


def control_environment(env: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment as control sees it: the daemon's setting counts, wherever it came from."""
    allowed = str(settings.transport.allow_plaintext_token).lower()
    return {**env, "OPSD_TRANSPORT__ALLOW_PLAINTEXT_TOKEN": allowed}


def handoff_dispatch(repo: str, env: Mapping[str, str], settings: Settings) -> Dispatch:
    """Control as the handoff calls it under these settings.

    Raises:
        SettingsError: the service token cannot be used.
    """
    secret, _origin = service_token(settings, env, None)
    token = None if secret is None else secret.get_secret_value()
    return compose.handoff_control(repo, control_environment(env, settings), service_token=token)


#: What the HTTP API shows, by its name in the path.
VIEWS = {"policy": FleetDocument.POLICY, "handoff": FleetDocument.HANDOFF}


def fleet_view(repo: str, settings: Settings, name: str) -> JsonObject:
    """``status``, ``policy`` or ``handoff`` as their commands print them, from the files. Blocking.

    Unlike a command it also answers once the review deadline has passed (75, weakness 7).

    Raises:
        UsageError: there is no such document yet, or the registry cannot be used.
        ManagerFileError: a document is not one JSON object.
    """
    store = fleet_store(repo, settings)
    if name == "status":
        registry = FleetRegistry(store, time.time)
        return fleet_status(read_status_inputs(repo, store, registry.observing, clock=time.time))
    part = VIEWS[name]
    data = store.read(part)
    if data is None:
        raise UsageError(f"there is no {name} state of the fleet yet")
    document = jsoncodec.object_in(data)
    if document is None:
        raise ManagerFileError(f"invalid {name} state JSON: {store.location(part)}")
    return document

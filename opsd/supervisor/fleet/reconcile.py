"""A pass over every loop of the fleet for somebody who asked, and the fleet's state, as ``opsd fleet reconcile``.

The passes are the daemon's own, so loops are judged by its settings and never looked at twice at a time; the state is
made and published like that of the fleet's steps, under the fleet's lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from opsd.contract.errors import NotFoundError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.observed import LoopPass
from opsd.fleet.publish import prepare, publish
from opsd.runtime.threads import in_own_thread
from opsd.storage.fleet_store import FileFleetStore
from opsd.supervisor.fleet.cycle import CycleRun
from opsd.supervisor.fleet.means import RollupMaker, enabled_loops
from opsd.supervisor.fleet.registry import FleetRegistry

#: Places an order for a loop's next pass; None where the loop cannot have one.
OrderPass = Callable[[str], asyncio.Future[LoopPass] | None]


async def reconcile_fleet(
    store: FileFleetStore,
    rollup: RollupMaker,
    order_pass: OrderPass,
    trace_id: str,
    *,
    pass_wait_s: float,
    lock_wait_s: float,
) -> JsonObject:
    """The fleet's state after new passes, which all together are waited for ``pass_wait_s`` seconds.

    A loop whose pass has not ended by then is told by the one before, where that is fresh enough, and else has failed.

    Raises:
        NotFoundError: there is no registry.
        BusyError: a loop's next pass was asked for otherwise.
        OpsError: the registry cannot be used, or another run held the fleet for ``lock_wait_s`` seconds.
    """
    run = CycleRun(trace_id)
    names = enabled_loops(await in_own_thread(lambda: _registry(store)))
    asked = {name: ended for name in names if (ended := order_pass(name)) is not None}
    if asked:
        await asyncio.wait(asked.values(), timeout=pass_wait_s)
    run.requested = frozenset(name for name, ended in asked.items() if ended.done())

    def publish_state() -> JsonObject:
        prepare(store)
        with store.lock(wait_s=lock_wait_s):
            state = rollup(_registry(store), run)
            publish(store, state)
        return state

    return await in_own_thread(publish_state)


def _registry(store: FileFleetStore) -> JsonObject:
    registry = FleetRegistry(store, time.time)
    if registry.missing:
        raise NotFoundError("there is no fleet registry")
    return registry.read().document

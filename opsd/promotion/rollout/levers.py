"""The levers of autonomy: pause, resume, kill switch. One switch of the operator's registry, and nothing else of it.

Invariants: stopping is never refused for what else the registry says, and waits for no run over the fleet (a dispatch
reads the registry again before each of its steps, so it is stopped in the middle); letting go needs a registry that is
valid afterwards. Whatever nobody here knows stays as it is, the layout of the file included. A stop that stands already
is written again, byte by byte: a drill that put it there for a while sees that a person wants it, and leaves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from opsd.contract import jsoncodec
from opsd.contract.errors import RegistryError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import get
from opsd.fleet.registry import parse_registry
from opsd.promotion.rollout.layout import in_layout_of
from opsd.promotion.rollout.registry_edit import KILL_SWITCH, MANUAL_PAUSE, switched
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore

LOCK_WAIT_S = 10.0


class Lever(StrEnum):
    """What can be pulled."""

    PAUSE = "pause"
    KILL_SWITCH = "kill_switch"


_PATHS = {Lever.PAUSE: MANUAL_PAUSE, Lever.KILL_SWITCH: KILL_SWITCH}


def pull(store: FleetStore, lever: Lever, *, stop: bool, clock: Callable[[], float] = time.time) -> JsonObject:
    """Set a lever; what it was and is.

    Raises:
        RegistryError: there is none that could be changed; for letting go also one that is invalid.
        ManagerFileError: it cannot be written.
        LockTimeoutError: others edit it all the time.
    """
    path, file = _PATHS[lever], store.location(FleetDocument.REGISTRY)
    with store.editing(FleetDocument.REGISTRY, wait_s=LOCK_WAIT_S):
        data = store.read(FleetDocument.REGISTRY)
        if data is None:
            raise RegistryError(f"fleet registry file not found: {file}")
        original = _object(data, file)
        before = get(original, *path) is True
        changed = switched(original, path, stop)
        if changed is None:
            raise RegistryError(f"fleet registry: {'.'.join(path[:-1])} is not an object: {file}")
        now = clock()
        if not stop:
            parse_registry(changed, source=file, now=now)
        stands = get(original, *path) is stop
        if stop or not stands:
            store.replace_text(FleetDocument.REGISTRY, data if stands else in_layout_of(data, changed))
    return {
        "schemaVersion": "v1",
        "lever": lever.value,
        "before": before,
        "after": stop,
        "changed": before is not stop,
        "changedAt": format_utc(now),
        "registryFile": file,
    }


def _object(data: bytes, file: str) -> JsonObject:
    document = jsoncodec.object_in(data)
    if document is None:
        raise RegistryError(f"invalid fleet registry JSON: {file}")
    return document

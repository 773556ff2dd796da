"""What stops autonomous dispatch at this very moment, whatever the policy decided (contract 80, weakness 7).

Invariant: an autonomous dispatch starts only if the registry, read after the attempt was written down, shows neither
the kill switch nor a manual pause. A registry that cannot be read stops it too.
"""

from __future__ import annotations

from collections.abc import Callable

from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.fleet.handoff.words import Brake


def brakes(registry: JsonObject) -> list[str]:
    """The brakes that a normalized registry applies, none when it lets autonomy go on."""
    autonomous = get(registry, "policy", "autonomous")
    found = []
    if get(autonomous, "safety", "killSwitch") is True:
        found.append(Brake.KILL_SWITCH.value)
    if get(autonomous, "rollout", "pause", "manual") is True:
        found.append(Brake.PAUSED.value)
    return found


def brakes_now(read_registry: Callable[[], JsonObject]) -> list[str]:
    """The brakes of the registry as it is now."""
    try:
        return brakes(read_registry())
    except (OpsError, OSError):
        return [Brake.REGISTRY_UNREADABLE.value]

"""One loop of the fleet as the shells use it, made of its normalized registry item (contract 60, 2.3; 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.contract.ids import LoopId, parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.values import first_present, get


class ObserveMode(StrEnum):
    """How a loop's events are followed between resyncs.

    ``auto`` holds a stream while the run is active and leaves an idle sprite asleep; ``stream`` holds one always;
    ``poll`` never does.
    """

    AUTO = "auto"
    STREAM = "stream"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class LoopEntry:
    """One normalized loop of the registry; ``retry_backoff_s`` in seconds, ``observe`` None where not given."""

    loop_id: LoopId
    enabled: bool = True
    transport: TransportKind = TransportKind.LOCAL
    base_url: str | None = None
    token_env: str | None = None
    retry_attempts: int = 3
    retry_backoff_s: float = 1.0
    observe: ObserveMode | None = None


def loop_entry(item: JsonObject) -> LoopEntry:
    """The entry of one item of a normalized registry that the built-in command has made.

    Raises:
        UsageError: the loop id is none that a path may be built from.
    """
    base_url, observe = get(item, "service", "baseUrl"), item.get("observe")
    return LoopEntry(
        loop_id=parse_loop_id(item["loopId"], reserved=True),
        enabled=item.get("enabled") is not False,
        transport=TransportKind(first_present(item.get("transport"), TransportKind.LOCAL.value)),
        base_url=base_url if isinstance(base_url, str) and base_url else None,
        token_env=first_present(get(item, "service", "tokenEnv"), None) or None,
        retry_attempts=int(first_present(get(item, "service", "retryAttempts"), 3)),
        retry_backoff_s=float(first_present(get(item, "service", "retryBackoffSeconds"), 1)),
        observe=ObserveMode(observe) if isinstance(observe, str) else None,
    )

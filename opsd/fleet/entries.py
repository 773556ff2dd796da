"""One loop of the fleet as the shells use it, made of its normalized registry item (contract 60, 2.3; 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.values import first_present, get

#: Why a loop cannot be reconciled whose retries are no whole numbers.
NO_WHOLE_ATTEMPTS: Final = "service.retryAttempts must be an integer >= 1"
NO_WHOLE_BACKOFF: Final = "service.retryBackoffSeconds must be a non-negative integer"


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
    """One normalized loop of the registry; ``retry_backoff_s`` in seconds, ``observe`` None where not given.

    The registry lets fractions pass where a reconcile takes whole numbers only: see :meth:`retries`.
    """

    loop_id: LoopId
    enabled: bool = True
    transport: TransportKind = TransportKind.LOCAL
    base_url: str | None = None
    token_env: str | None = None
    retry_attempts: float = 3
    retry_backoff_s: float = 1
    observe: ObserveMode | None = None

    def retries(self) -> tuple[int, int]:
        """Attempts, and the pause between them in seconds, as a reconcile takes them.

        Raises:
            UsageError: one of them is a fraction (contract 60, weakness 8).
        """
        if int(self.retry_attempts) != self.retry_attempts:
            raise UsageError(NO_WHOLE_ATTEMPTS)
        if int(self.retry_backoff_s) != self.retry_backoff_s:
            raise UsageError(NO_WHOLE_BACKOFF)
        return int(self.retry_attempts), int(self.retry_backoff_s)


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
        retry_attempts=first_present(get(item, "service", "retryAttempts"), 3),
        retry_backoff_s=first_present(get(item, "service", "retryBackoffSeconds"), 1),
        observe=ObserveMode(observe) if isinstance(observe, str) else None,
    )

"""The fleet registry's loop entries: validated with the contract's messages, normalized (contract 60, 2.2 and 2.3).

Beside the contract, an entry may say how it is observed: ``"observe": "auto" | "stream" | "poll"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from opsd.contract.errors import UsageError
from opsd.contract.ids import MAX_LOOP_ID_BYTES, LoopId, parse_loop_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.values import as_object, first_present


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


@dataclass(frozen=True, slots=True)
class Registry:
    """The loops of a fleet in registry order."""

    fleet_id: str = "default"
    loops: tuple[LoopEntry, ...] = field(default_factory=tuple)


def parse_registry(document: JsonValue, *, source: str) -> Registry:
    """The registry in ``document``, read from ``source``.

    Raises:
        UsageError: ``invalid fleet registry: <source>`` followed by one bullet per violation.
    """
    violations: list[str] = []
    entries: list[LoopEntry] = []
    if not isinstance(document, dict):
        violations.append("registry must be an object")
    else:
        violations += _top_level(document)
        loops = document.get("loops")
        for index, item in enumerate(loops if isinstance(loops, list) else []):
            found = _loop_violations(item)
            violations += [f"loops[{index}]: {message}" for message in found]
            if not found:
                entries.append(_entry(item))
    if violations:
        raise UsageError("\n - ".join([f"invalid fleet registry: {source}", *violations]))
    return Registry(first_present(document.get("fleetId"), "default"), tuple(entries))


def _top_level(document: JsonObject) -> Sequence[str]:
    """Rules 1 to 5."""
    found: list[str] = []
    if document.get("schemaVersion") != "v1":
        found.append('schemaVersion must be "v1"')
    if not _absent(document.get("fleetId")) and not isinstance(document["fleetId"], str):
        found.append("fleetId must be a string when present")
    loops = document.get("loops")
    if not isinstance(loops, list):
        return [*found, "loops must be an array"]
    if not loops:
        found.append("loops must include at least one loop entry")
    ids = [item["loopId"] for item in loops if isinstance(item, dict) and isinstance(item.get("loopId"), str)]
    if len(set(ids)) != len(ids):
        found.append("loopId values must be unique")
    return found


def _loop_violations(item: JsonValue) -> Sequence[str]:
    """Rules 6 to 17 of one entry, in their order."""
    if not isinstance(item, dict):
        missing = ["loopId must be a non-empty string"] if item is None else []
        return ["entry must be an object", *missing]
    found = list(_loop_id_violations(item.get("loopId")))
    if item.get("enabled") is not None and not isinstance(item["enabled"], bool):
        found.append("enabled must be boolean when present")
    transport = first_present(item.get("transport"), "local")
    if transport not in ("local", "sprite_service"):
        found.append("transport must be local or sprite_service")
    sprite, service = item.get("sprite"), item.get("service")
    found += _container(sprite, "sprite", ("id",))
    found += _container(service, "service", ("tokenEnv",))
    if isinstance(service, dict):
        found += _number(service, "retryAttempts", minimum=1)
        found += _number(service, "retryBackoffSeconds", minimum=0)
    if transport == "sprite_service":
        url = _base_url(item)
        if not isinstance(url, str) or not url:
            found.append("sprite_service loops require service.baseUrl or sprite.serviceBaseUrl")
    metadata = item.get("metadata")
    if not _absent(metadata) and not isinstance(metadata, dict):
        found.append("metadata must be an object when present")
    observe = item.get("observe")
    if not _absent(observe) and observe not in tuple(ObserveMode):
        found.append("observe must be auto, stream or poll when present")
    return found


def _loop_id_violations(loop_id: JsonValue) -> Sequence[str]:
    """Rule 7 and the ids that are decided not to be usable (contract README)."""
    if not isinstance(loop_id, str) or not loop_id:
        return ["loopId must be a non-empty string"]
    if loop_id in (".", "..", "fleet", "*"):
        return [f"loopId must not be {loop_id}"]
    if len(loop_id.encode("utf-8", "surrogatepass")) > MAX_LOOP_ID_BYTES:
        return [f"loopId must not be longer than {MAX_LOOP_ID_BYTES} bytes"]
    try:
        parse_loop_id(loop_id, reserved=True)
    except UsageError:
        return ["loopId must not contain path separators or control characters"]
    return []


def _container(value: JsonValue, name: str, text_keys: Sequence[str]) -> Sequence[str]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [f"{name} must be an object when present"]
    return [
        f"{name}.{key} must be a non-empty string when present"
        for key in text_keys
        if not _absent(value.get(key)) and (not isinstance(value[key], str) or not value[key])
    ]


def _number(container: JsonObject, key: str, *, minimum: int) -> Sequence[str]:
    value = container.get(key)
    if _absent(value) or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= minimum):
        return []
    return [f"service.{key} must be >= {minimum} when present"]


def _absent(value: JsonValue) -> bool:
    return value is None or value is False


def _base_url(item: JsonObject) -> JsonValue:
    service, sprite = item.get("service"), item.get("sprite")
    return first_present(
        service.get("baseUrl") if isinstance(service, dict) else None,
        sprite.get("serviceBaseUrl") if isinstance(sprite, dict) else None,
        "",
    )


def _entry(item: JsonObject) -> LoopEntry:
    service = as_object(item.get("service"))
    base_url = _base_url(item)
    observe = first_present(item.get("observe"), None)
    return LoopEntry(
        loop_id=parse_loop_id(item["loopId"], reserved=True),
        enabled=item.get("enabled") is not False,
        transport=TransportKind(first_present(item.get("transport"), "local")),
        base_url=base_url if isinstance(base_url, str) and base_url else None,
        token_env=first_present(service.get("tokenEnv"), None) or None,
        retry_attempts=int(first_present(service.get("retryAttempts"), 3)),
        retry_backoff_s=float(first_present(service.get("retryBackoffSeconds"), 1)),
        observe=ObserveMode(observe) if isinstance(observe, str) else None,
    )

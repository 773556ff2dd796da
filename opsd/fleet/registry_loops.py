"""What a registry must say at its top and of each loop (contract 60, 2.2, rules 1 to 17; weaknesses 3 and 4).

Beside the contract, an entry may say how it is observed: ``"observe": "auto" | "stream" | "poll"``.
"""

from __future__ import annotations

from opsd.contract.errors import UsageError
from opsd.contract.ids import MAX_LOOP_ID_BYTES, parse_loop_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.values import absent, first_present
from opsd.fleet.bullets import Bullets, is_filled_text, number_from
from opsd.fleet.entries import ObserveMode

_NOT_EMPTY = "a non-empty string"


def check_top_level(registry: JsonObject, bullets: Bullets) -> None:
    """Rules 1 to 5."""
    if registry.get("schemaVersion") != "v1":
        bullets.add('schemaVersion must be "v1"')
    if not absent(registry.get("fleetId")) and not isinstance(registry["fleetId"], str):
        bullets.add("fleetId must be a string when present")
    loops = registry.get("loops")
    if not isinstance(loops, list):
        bullets.add("loops must be an array")
        return
    if not loops:
        bullets.add("loops must include at least one loop entry")
    ids = [item["loopId"] for item in loops if isinstance(item, dict) and isinstance(item.get("loopId"), str)]
    if len(set(ids)) != len(ids):
        bullets.add("loopId values must be unique")


def declared_loop_ids(registry: JsonObject) -> frozenset[str]:
    """Every id that a loop entry declares, whatever else is wrong with the entry."""
    loops = registry.get("loops")
    items = [item for item in loops if isinstance(item, dict)] if isinstance(loops, list) else []
    return frozenset(item["loopId"] for item in items if is_filled_text(item.get("loopId")))


def check_loops(registry: JsonObject, bullets: Bullets) -> None:
    """Rules 6 to 17, loop by loop."""
    loops = registry.get("loops")
    for index, item in enumerate(loops if isinstance(loops, list) else []):
        _check_loop(item, bullets.under(f"loops[{index}]: "))


def _check_loop(item: JsonValue, bullets: Bullets) -> None:
    if not isinstance(item, dict):
        bullets.add("entry must be an object")
        if item is None:
            bullets.add("loopId must be a non-empty string")
        return
    _check_loop_id(item.get("loopId"), bullets)
    bullets.switch(item, "enabled", "enabled")
    transport = first_present(item.get("transport"), TransportKind.LOCAL.value)
    if transport not in tuple(TransportKind):
        bullets.add("transport must be local or sprite_service")
    sprite = bullets.container(item, "sprite", "sprite")
    bullets.check(sprite, "sprite", "id", is_filled_text, _NOT_EMPTY)
    service = bullets.container(item, "service", "service")
    bullets.check(service, "service", "tokenEnv", is_filled_text, _NOT_EMPTY)
    bullets.check(service, "service", "retryAttempts", number_from(1), ">= 1")
    bullets.check(service, "service", "retryBackoffSeconds", number_from(0), ">= 0")
    if transport == TransportKind.SPRITE_SERVICE:
        url = first_present(service.get("baseUrl"), sprite.get("serviceBaseUrl"), "")
        if not is_filled_text(url):
            bullets.add("sprite_service loops require service.baseUrl or sprite.serviceBaseUrl")
    metadata, observe = item.get("metadata"), item.get("observe")
    if not absent(metadata) and not isinstance(metadata, dict):
        bullets.add("metadata must be an object when present")
    if not absent(observe) and observe not in tuple(ObserveMode):
        bullets.add("observe must be auto, stream or poll when present")


def _check_loop_id(loop_id: JsonValue, bullets: Bullets) -> None:
    """Rule 7, and the ids that cannot name a folder or already name something of the fleet."""
    if not is_filled_text(loop_id):
        bullets.add("loopId must be a non-empty string")
    elif loop_id in (".", "..", "fleet", "*"):
        bullets.add(f"loopId must not be {loop_id}")
    elif len(loop_id.encode("utf-8", "surrogatepass")) > MAX_LOOP_ID_BYTES:
        bullets.add(f"loopId must not be longer than {MAX_LOOP_ID_BYTES} bytes")
    else:
        try:
            parse_loop_id(loop_id, reserved=True)
        except UsageError:
            bullets.add("loopId must not contain path separators or control characters")

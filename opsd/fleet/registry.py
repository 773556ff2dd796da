"""The fleet registry: checked by every rule, normalized, and as the loops that the shells work on (contract 60, 2).

All violations are told at once. The normalized document is what every other step of the fleet starts from.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import RegistryError, UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.fleet.bullets import Bullets
from opsd.fleet.entries import LoopEntry, ObserveMode, loop_entry
from opsd.fleet.normalize import normalized
from opsd.fleet.registry_governance import REVIEW_EXPIRED, review_deadline
from opsd.fleet.registry_loops import check_loops, check_top_level, declared_loop_ids
from opsd.fleet.registry_policy import check_policy

__all__ = ["LoopEntry", "ObserveMode", "ParsedRegistry", "load_registry", "parse_registry"]


@dataclass(frozen=True, slots=True)
class ParsedRegistry:
    """A valid registry.

    Attributes:
        document: normalized (2.3); never changed by its users.
        loops: its loops in registry order.
        review_by: when the permission for autonomy ends, in seconds since 1970; None where nothing is permitted.
    """

    document: JsonObject
    loops: tuple[LoopEntry, ...]
    review_by: int | None = None

    def expired(self, now: float) -> bool:
        """The review deadline has passed: nothing autonomous may happen, whatever the document says."""
        return self.review_by is not None and self.review_by <= now


def load_registry(data: bytes | None, *, source: str, now: float, expiry_is_fatal: bool = True) -> ParsedRegistry:
    """The registry in a file's bytes; see :func:`parse_registry`.

    Raises:
        UsageError: there is no file (``data`` None).
        RegistryError: it is not one JSON document, or like :func:`parse_registry`.
    """
    if data is None:
        raise UsageError(f"fleet registry file not found: {source}")
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise RegistryError(f"invalid fleet registry JSON: {source}") from None
    return parse_registry(document, source=source, now=now, expiry_is_fatal=expiry_is_fatal)


def parse_registry(document: JsonValue, *, source: str, now: float, expiry_is_fatal: bool = True) -> ParsedRegistry:
    """The registry in ``document``, read from ``source``; ``now`` is in seconds since 1970.

    With ``expiry_is_fatal`` off a passed review deadline is no violation: :meth:`ParsedRegistry.expired` tells of it,
    and the caller keeps observing while it lets nothing autonomous happen (weakness 5).

    Raises:
        RegistryError: ``invalid fleet registry: <source>`` with one bullet per violation, in the rules' order.
    """
    bullets = violations(document, now=int(now))
    if not expiry_is_fatal:
        bullets = [bullet for bullet in bullets if bullet != REVIEW_EXPIRED]
    if bullets:
        raise RegistryError(f"invalid fleet registry: {source}", bullets)
    complete = normalized(document, source=source)
    return ParsedRegistry(complete, tuple(map(loop_entry, complete["loops"])), review_deadline(complete))


def violations(document: JsonValue, *, now: int) -> list[str]:
    """Every violation of the rules of 2.2, in their order."""
    if not isinstance(document, dict):
        return ["registry must be an object"]
    bullets = Bullets()
    check_top_level(document, bullets)
    check_loops(document, bullets)
    check_policy(document, declared_loop_ids(document), now, bullets)
    return bullets.messages

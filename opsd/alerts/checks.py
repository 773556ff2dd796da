"""What the documents about alerts that people write are held to."""

from __future__ import annotations

from collections.abc import Set

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue


def known_object(value: JsonValue, where: str, known: Set[str]) -> JsonObject:
    """``value``, an object without any other key than the ``known`` ones; ``where`` is its place in the document.

    Raises:
        UsageError: it is anything else.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object")
    unknown = sorted(value.keys() - known)
    if unknown:
        raise UsageError(f"{where} has an unknown key: {unknown[0]}")
    return value

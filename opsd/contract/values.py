"""The small value rules that the contract names once and uses everywhere (contract 10, 1.1; 20, 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue

_JSON_NUMBER = re.compile(r"\s*-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\s*", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


def first_present(*values: JsonValue) -> JsonValue:
    """``a ?? b ?? c``: the first operand that is neither null nor false, else the last one as it is."""
    for value in values:
        if value is not None and value is not False:
            return value
    return values[-1]


def absent(value: JsonValue) -> bool:
    """True for what ``??`` steps over: null and false, but no other empty value."""
    return value is None or value is False


def get(container: JsonValue, *keys: str) -> JsonValue:
    """Read a path of keys; a key of anything that is not an object gives None."""
    for key in keys:
        if not isinstance(container, dict):
            return None
        container = container.get(key)
    return container


def as_object(value: JsonValue) -> JsonObject:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: JsonValue) -> list[JsonValue]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: JsonValue) -> str:
    """Text of a value: a string as it is, scalars as JSON, non-empty containers indented (contract 10, 1.1)."""
    if isinstance(value, str):
        return value.rstrip("\n")
    if isinstance(value, (dict, list)) and value:
        return jsoncodec.dumps_pretty(value).decode()
    return jsoncodec.dumps(value).decode()


def compact_text(value: JsonValue) -> str:
    """Text of a value with containers in compact form (contract 20, 1.1)."""
    return value if isinstance(value, str) else jsoncodec.dumps(value).decode()


def optional_text(value: JsonValue) -> str | None:
    """Compact text of a value; null, false and empty text are None (contract 20, 5.2)."""
    if value is None or value is False:
        return None
    return compact_text(value) or None


def int0(value: JsonValue) -> int | float:
    """A number, the number in a numeric string, else 0 (contract 10, 1.1)."""
    return number(value) or 0


def number(value: JsonValue) -> int | float | None:
    """A number, or the number in a numeric text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and _JSON_NUMBER.fullmatch(value):
        found = jsoncodec.loads(value.strip().encode())
        return found if isinstance(found, (int, float)) else None
    return None


def integral(value: int | float) -> int | float:
    """The number as the wire shows it: an integral one is an integer (contract 75, 1.2)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def emptynull(value: str) -> str | None:
    """None for empty text."""
    return value or None


def drop_null(values: JsonObject) -> JsonObject:
    """The object without its null values; not recursive (contract 10, 1.1)."""
    return {key: value for key, value in values.items() if value is not None}


def is_digits(value: str) -> bool:
    """One or more ASCII digits and nothing else."""
    return _DIGITS.fullmatch(value) is not None


def digits(value: JsonValue) -> int | None:
    """The non-negative integer whose text is digits (``7``, ``"7"``, ``2.0``), else None (contract 20, 1.1)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, float):
        return int(value) if value >= 0 and value.is_integer() else None
    if isinstance(value, str) and is_digits(value):
        return int(value) if len(value) < 4000 else None
    return None


def printable(value: str) -> str:
    """Text for a terminal: what would command it (escapes, control characters) is shown instead of obeyed."""
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in value)


def brief(value: JsonValue, most: int = 200) -> JsonValue:
    """``value`` for a view: texts in it cut at ``most`` characters, None for numbers beyond a double's whole ones.

    What a loop says of itself may be of any size; what is shown of it to everybody, again and again, may not.
    """
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, (int, float)):
        return value if abs(value) < 2**53 else None
    if isinstance(value, dict):
        return {key: brief(one, most) for key, one in value.items()}
    return [brief(one, most) for one in value] if isinstance(value, list) else value


def last_lines(data: str, limit: int = 40) -> str:
    """At most the last ``limit`` lines, without carriage returns at line ends and trailing newlines (20, 1.1)."""
    lines = data.rstrip("\n").rsplit("\n", limit)[-limit:]
    return "\n".join(line.removesuffix("\r") for line in lines).rstrip("\n")


def present(value: JsonValue) -> JsonValue:
    """``value ?? null``: None for false too; what *omitted when absent* goes by (contract 75, 1.1)."""
    return None if value is False else value


def uniq(values: Iterable[str]) -> list[str]:
    """Without duplicates, ascending by code point (contract 75, 1.1)."""
    return sorted(set(values))


def count_map(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, in the order of first occurrence (contract 75, 1.1)."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts

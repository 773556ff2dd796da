"""Collecting every violation of a registry, in the order of the contract's rules (contract 60, 2.2).

Unless a rule says otherwise "absent" includes null and ``false``; for the containers of objects only null is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import absent

Test = Callable[[JsonValue], bool]


class Bullets:
    """The violations found so far. ``path`` arguments are dotted; "" is the place that ``prefix`` names."""

    def __init__(self, messages: list[str] | None = None, *, prefix: str = "") -> None:
        self.messages: list[str] = [] if messages is None else messages
        self._prefix = prefix

    def under(self, prefix: str) -> Bullets:
        """The same list, with ``prefix`` in front of what is added through the result."""
        return Bullets(self.messages, prefix=prefix)

    def add(self, message: str) -> None:
        """One more violation."""
        self.messages.append(self._prefix + message)

    def container(self, parent: JsonObject, key: str, path: str) -> JsonObject:
        """The object at ``key``; empty when it is absent, and when it is something else, which is a violation.

        Nothing inside a container of the wrong type is checked, since nothing seems to be there.
        """
        value = parent.get(key)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.add(f"{path} must be an object when present")
        return {}

    def check(self, parent: JsonObject, path: str, key: str, accepts: Test, rule: str) -> None:
        """A value that may be absent: ``<path>.<key> must be <rule> when present``."""
        value = parent.get(key)
        if not absent(value) and not accepts(value):
            self.add(f"{path}.{key} must be {rule} when present")

    def switch(self, parent: JsonObject, key: str, path: str) -> None:
        """A boolean that may be absent. Here ``false`` has a meaning."""
        value = parent.get(key)
        if value is not None and not isinstance(value, bool):
            self.add(f"{path} must be boolean when present")

    def members(self, parent: JsonObject, key: str, path: str, known: Sequence[str], what: str) -> None:
        """A list of known words that may be absent; the first failing check counts."""
        value = parent.get(key)
        if not absent(value):
            message = list_violation(value, known, what, kind="an array when present")
            if message:
                self.add(f"{path}.{key} {message}")

    def first(self, value: JsonValue, path: str, tests: Mapping[str, Test]) -> None:
        """The first of ``tests`` (what to say, what has to hold) that fails for a value that may be absent."""
        if absent(value):
            return
        for message, holds in tests.items():
            if not holds(value):
                self.add(f"{path} {message}")
                return


def list_violation(value: JsonValue, known: Sequence[str], what: str, *, kind: str) -> str:
    """What is wrong with a list of known words; empty when nothing is."""
    if not isinstance(value, list):
        return f"must be {kind}"
    if not all_texts(value):
        return "entries must be strings"
    return "" if all(entry in known for entry in value) else f"contains {what}"


def all_texts(value: JsonValue) -> bool:
    """True for a list of strings."""
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def is_text(value: JsonValue) -> bool:
    """True for a string, the empty one too."""
    return isinstance(value, str)


def is_filled_text(value: JsonValue) -> bool:
    """True for a string that is not empty."""
    return isinstance(value, str) and value != ""


def is_number(value: JsonValue) -> bool:
    """True for a JSON number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number_from(minimum: float) -> Test:
    """Accepts numbers, fractions too, from ``minimum`` on."""
    return lambda value: is_number(value) and value >= minimum


def number_between(minimum: float, maximum: float) -> Test:
    """Accepts numbers, fractions too, between the limits, which belong to it."""
    return lambda value: is_number(value) and minimum <= value <= maximum


def integer_between(minimum: float, maximum: float) -> Test:
    """Accepts numbers without a fraction, between the limits, which belong to it."""
    return lambda value: is_number(value) and minimum <= value <= maximum and value == value // 1

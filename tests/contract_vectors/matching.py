"""How a vector's expectation is compared with what happened.

An object matches when every expected key does: more keys are additions, which the contract allows. A list matches
in full and in order. ``README.md`` beside this file lists the placeholders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_PLACEHOLDERS: dict[str, Callable[[Any], bool]] = {
    "<any>": lambda value: True,
    "<string>": lambda value: isinstance(value, str) and value != "",
    "<int>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<number>": _is_number,
    "<iso>": lambda value: isinstance(value, str) and _ISO.fullmatch(value) is not None,
    "<sha256>": lambda value: isinstance(value, str) and _SHA256.fullmatch(value) is not None,
}


def mismatches(expected: Any, actual: Any, where: str = "$") -> list[str]:
    """What differs, one line each; empty when ``actual`` is as expected."""
    if isinstance(expected, dict):
        return _object_mismatches(expected, actual, where)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{where}: expected {len(expected)} items, got {json.dumps(actual)[:300]}"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for index, (one, other) in pairs for line in mismatches(one, other, f"{where}[{index}]")]
    if expected == "<absent>":
        return [f"{where}: present, expected absent"]
    if isinstance(expected, str) and expected in _PLACEHOLDERS:
        return [] if _PLACEHOLDERS[expected](actual) else [f"{where}: {actual!r} is not {expected}"]
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{where}: expected {expected!r}, got {actual!r}"]


def _object_mismatches(expected: dict[str, Any], actual: Any, where: str) -> list[str]:
    if expected and set(expected) <= {"<about>", "<within>"}:
        target, slack = expected["<about>"], expected.get("<within>", 3)
        near = _is_number(actual) and abs(actual - target) <= slack
        return [] if near else [f"{where}: {actual!r} is not {target} +- {slack}"]
    if set(expected) == {"<contains>"}:
        found = isinstance(actual, str) and expected["<contains>"] in actual
        return [] if found else [f"{where}: {actual!r} does not contain {expected['<contains>']!r}"]
    if not isinstance(actual, dict):
        return [f"{where}: expected an object, got {actual!r}"]
    lines: list[str] = []
    for key, value in expected.items():
        if value == "<absent>":
            if key in actual:
                lines.append(f"{where}.{key}: present ({actual[key]!r}), expected absent")
        elif key not in actual:
            lines.append(f"{where}.{key}: missing, expected {value!r}")
        else:
            lines += mismatches(value, actual[key], f"{where}.{key}")
    return lines


def widened(expected: Any, late_s: float) -> Any:
    """The same expectation on a machine that took so long: seconds that are about a number may be as many off."""
    if isinstance(expected, list):
        return [widened(item, late_s) for item in expected]
    if not isinstance(expected, dict):
        return expected
    if isinstance(expected.get("<about>"), int):
        return {**expected, "<within>": expected.get("<within>", 3) + late_s}
    return {key: widened(value, late_s) for key, value in expected.items()}


def text_mismatches(expected: Any, text: str, where: str) -> list[str]:
    """Compare a text: one JSON value, or as ``{"jsonl": [...]}`` or ``{"text": "..."}`` say."""
    if isinstance(expected, dict) and set(expected) == {"text"}:
        return mismatches(expected["text"], text.strip(), where)
    try:
        values = _json_values(text)
    except ValueError:
        return [f"{where}: not JSON: {text[:300]!r}"]
    if isinstance(expected, dict) and set(expected) == {"jsonl"}:
        return mismatches(expected["jsonl"], values, where)
    if len(values) != 1:
        return [f"{where}: expected one JSON value, got {len(values)}: {text[:300]!r}"]
    return mismatches(expected, values[0], where)


def _json_values(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    values: list[Any] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        value, position = decoder.raw_decode(text, position)
        values.append(value)
    return values


def without(expected: Any, dropped: frozenset[str]) -> Any:
    """An expectation without the keys in ``dropped``; a key that is a path is dropped by its last part."""
    if isinstance(expected, dict):
        return {
            key: without(value, dropped) for key, value in expected.items() if key.rpartition("/")[2] not in dropped
        }
    if isinstance(expected, list):
        return [without(item, dropped) for item in expected]
    return expected

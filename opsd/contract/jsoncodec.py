"""JSON in and out, in the contract's form (contract 10, 1.5).

* Integral numbers are integers whatever their spelling (``1.0``, ``1e3``); integers of any size stay exact;
  non-finite numbers become null.
* Input that is not UTF-8 is read with U+FFFD in place of the bad bytes.
* Output is compact (or indented by two spaces), raw UTF-8, with control characters and DEL escaped.

orjson does the work; the standard library takes over for the few texts whose numbers need care, found by a scan
that costs a fraction of the decoding.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, TypeAlias

import orjson

from opsd.contract.bytecount import count_byte

JsonValue: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]

#: Deeper documents are refused: nothing real comes near, and the encoder has a limit of its own (254).
MAX_DEPTH = 200

_SHAPE = bytes(
    ord("0") if chr(code) in "0123456789" else code if chr(code) == "." else ord("e") if chr(code) in "eE" else 32
    for code in range(256)
)
_LONG = b"0" * 19
_CAREFUL_FIRST = re.compile(rb"-?(?:\d+[.eE]|\d{19})")
#: A pattern that begins with a set of bytes is searched for three times as fast as one that may begin with nothing.
_CAREFUL_LATER = re.compile(rb"[:,\[\s](?:-?\d+[.eE]|-?\d{19})")


def needs_care(data: bytes) -> bool:
    """True when ``data`` may hold a number that orjson would not give in the contract's form.

    Cheap enough to ask of a whole block of journal lines; False is certain, True only a suspicion.
    """
    shape = data.translate(_SHAPE)
    if b"0.0" not in shape and b"0e" not in shape and _LONG not in shape:
        return False
    return _CAREFUL_FIRST.match(data) is not None or _CAREFUL_LATER.search(data) is not None


def loads(data: bytes) -> JsonValue:
    """Decode one JSON document.

    Raises:
        ValueError: not JSON, more than one document, or nested too deeply.
    """
    return checked_depth(data, _loads_any_depth(data))


def object_in(data: bytes | None) -> JsonObject | None:
    """The object that ``data`` is as a JSON document; None where there is none, and for anything else."""
    try:
        value = loads(data) if data else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_json(data: bytes) -> bool:
    """``data`` is one JSON document."""
    try:
        loads(data)
    except ValueError:
        return False
    return True


def loads_plain(data: bytes) -> JsonValue:
    """:func:`loads` for data from a block of which :func:`needs_care` was false: the journal's fast path."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _loads_carefully(data)
    return checked_depth(data, value) if len(data) > 2 * MAX_DEPTH else value


#: orjson's decoder itself, for callers that look at a value and do not write it again.
loads_unchecked = orjson.loads


def may_be_deep(data: bytes) -> bool:
    """True when ``data`` has enough brackets to be nested deeper than :data:`MAX_DEPTH`."""
    return count_byte(data, b"{") + count_byte(data, b"[") > MAX_DEPTH


def _loads_any_depth(data: bytes) -> JsonValue:
    if not needs_care(data):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    return _loads_carefully(data)


def checked_depth(data: bytes, value: JsonValue) -> JsonValue:
    """``value`` itself, unless it is nested deeper than could be written again.

    Raises:
        ValueError: nested deeper than :data:`MAX_DEPTH`.
    """
    if not may_be_deep(data):
        return value
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[JsonValue] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return value
        level = inner
    raise ValueError("JSON nested too deeply")


def _loads_carefully(data: bytes) -> JsonValue:
    try:
        return json.loads(data.decode("utf-8", "replace"), parse_float=_parse_float, parse_constant=_none)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _parse_float(text: str) -> int | float | None:
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _none(_name: str) -> None:
    return None


class RawJson:
    """One JSON document by its own text, to stand as a value in what :func:`dumps` writes.

    Numbers keep their spelling (``1.0``, ``1e400``, any integer), which a decoded value would not. What no receiver
    could read goes: whitespace between tokens, ``NaN`` and infinities (null), bytes that are not UTF-8 (U+FFFD).

    Args:
        data: one document that :func:`loads` accepts; anything else spoils what it is embedded in.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        try:
            data.decode()
        except UnicodeDecodeError:
            data = data.decode("utf-8", "replace").encode()
        self.data = data if _TIDY.fullmatch(data) else _TOKENS.sub(_tidy_token, data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawJson) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)


_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: No whitespace outside strings, nor anything with an N or I there: what a manager wrote, found ten times as fast.
_TIDY = re.compile(rb'(?:[^" \t\r\nNI]++|' + _STRING + rb")*+", re.DOTALL)
_TOKENS = re.compile(_STRING + rb"|[ \t\r\n]+|-?(?:NaN|Infinity)", re.DOTALL)


def _tidy_token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token[:1] == b'"':
        return token
    return b"" if token.isspace() else b"null"


def _embed(value: object) -> orjson.Fragment:
    if isinstance(value, RawJson):
        return orjson.Fragment(value.data)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def dumps(value: JsonValue) -> bytes:
    """``value`` as compact JSON, without a newline. It may hold :class:`RawJson` anywhere."""
    try:
        return _escape_delete(orjson.dumps(value, _embed))
    except TypeError:  # an integer beyond 64 bits or a lone surrogate
        return _dumps_carefully(value, indent=None)


def dumps_pretty(value: JsonValue) -> bytes:
    """``value`` as JSON indented by two spaces, without a final newline; what is embedded stays in one line."""
    try:
        return _escape_delete(orjson.dumps(value, _embed, orjson.OPT_INDENT_2))
    except TypeError:
        return _dumps_carefully(value, indent=2)


def _dumps_carefully(value: JsonValue, indent: int | None) -> bytes:
    separators = (",", ":") if indent is None else (",", ": ")
    # The standard library cannot embed: a mark that nobody can have guessed stands in for each text.
    mark = os.urandom(16).hex()
    embedded: list[bytes] = []

    def stand_in(item: object) -> str:
        if not isinstance(item, RawJson):
            raise TypeError(f"{type(item).__name__} is no JSON value")
        embedded.append(item.data)
        return mark

    text = json.dumps(
        _finite(value), ensure_ascii=False, separators=separators, indent=indent, allow_nan=False, default=stand_in
    )
    data = well_formed(text).encode()
    if embedded:
        parts = data.split(f'"{mark}"'.encode())
        data = b"".join(part + raw for part, raw in zip(parts, [*embedded, b""], strict=True))
    return _escape_delete(data)


def well_formed(text: str) -> str:
    """``text`` as it will be read back: a lone surrogate becomes U+FFFD, like any other byte that is not text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def _escape_delete(data: bytes) -> bytes:
    # DEL can only stand inside a string, where the contract wants it escaped and orjson leaves it raw.
    return data.replace(b"\x7f", b"\\u007f") if b"\x7f" in data else data

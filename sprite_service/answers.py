"""Responses of the service, and the rules for what a query may hold (contract 30, 6.2 to 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from aiohttp import web
from yarl import URL

from opsd.contract import jsoncodec
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.contract.jsoncodec import JsonValue


class Refusal(Exception):
    """A request that is answered with the contract's error form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        """``{"ok": false, "error": {"code", "message"}}``."""
        return json_response({"ok": False, "error": {"code": self.code, "message": self.message}}, self.status)


def json_response(value: JsonValue, status: int = 200) -> web.Response:
    """A JSON answer, compact and without a newline."""
    return json_bytes(jsoncodec.dumps(value), status)


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """A JSON answer that is encoded already."""
    return web.Response(body=body, status=status, content_type="application/json")


def invalid(message: str) -> Refusal:
    """400 ``invalid_request``."""
    return Refusal(400, "invalid_request", message)


def loop_id(query: Mapping[str, str]) -> LoopId:
    """``loopId`` of a query.

    Raises:
        Refusal: missing or blank.
        UsageError: not a loop id.
    """
    value = query.get("loopId", "").strip()
    if not value:
        raise invalid("loopId is required")
    return parse_loop_id(value)


@lru_cache(maxsize=256)
def loop_id_of(url: URL) -> LoopId:
    """:func:`loop_id` of a URL's query: the same few URLs are asked for again and again."""
    return loop_id(url.query)


def count(query: Mapping[str, str], name: str) -> int:
    """A line offset or limit of a query: ASCII digits, at most 15; empty is as if not given.

    Raises:
        Refusal: anything else.
    """
    value = query.get(name, "")
    if not value.strip():
        return 0
    if value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if value[:1] == "-" and value[1:].isascii() and value[1:].isdigit():
        raise invalid(f"query parameter '{name}' must be >= 0")
    raise invalid(f"query parameter '{name}' must be an integer")


def seconds(query: Mapping[str, str], name: str, limit: float) -> float:
    """A waiting time of a query, cut at ``limit``.

    Raises:
        Refusal: not a non-negative decimal number.
    """
    found = duration(query, name, limit)
    return 0.0 if found is None else found


def duration(query: Mapping[str, str], name: str, limit: float) -> float | None:
    """Like :func:`seconds`; None when it is not given.

    Raises:
        Refusal: not a non-negative decimal number.
    """
    value = query.get(name, "").strip()
    if not value:
        return None
    whole, _, fraction = value.partition(".")
    if not (value.isascii() and (whole + fraction).isdigit() and len(value) <= 15):
        raise invalid(f"query parameter '{name}' must be a number of seconds")
    return min(float(value), limit)

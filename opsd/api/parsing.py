"""A request's path, query and body as the route's models; whatever does not fit is named in one message."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from opsd.api.failure import ApiError, ErrorCode
from opsd.api.models.base import LOOP_ID_PATTERN, Body, Query
from opsd.api.models.principals import PRINCIPAL_PATTERN, TOKEN_ID_PATTERN
from opsd.contract import jsoncodec

BODY_TIMEOUT_S = 5.0
KEY_PATTERN = r"^[\x21-\x7e]{1,128}$"
ID_PATTERN = r"^[A-Za-z0-9_.-]{1,100}$"

_Model = TypeVar("_Model", bound=BaseModel)
_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": LOOP_ID_PATTERN}
_PATH_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "loop": _TEXT,
    "profile": _TEXT,
    "name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": PRINCIPAL_PATTERN},
    "id": {"type": "string", "pattern": TOKEN_ID_PATTERN},
}
_ID: Mapping[str, Any] = {"type": "string", "pattern": ID_PATTERN}


def path_schema(name: str) -> Mapping[str, Any]:
    """What a parameter of a path can be: the schema that the document shows, and by which requests are checked."""
    return _PATH_SCHEMAS.get(name, _ID)


def checked_path(request: web.Request) -> dict[str, str]:
    """The path's parameters.

    Raises:
        ApiError: one holds what it never can.
    """
    for name, value in request.match_info.items():
        schema = path_schema(name)
        if len(value) > schema.get("maxLength", len(value)) or re.fullmatch(schema["pattern"], value) is None:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"path: {name} has a form that none can have")
    return dict(request.match_info)


def parse_query(model: type[Query], query: MultiMapping[str]) -> Query:
    """The query parameters.

    Raises:
        ApiError: one is unknown, doubled or wrong.
    """
    doubled = next((name for name in query if len(query.getall(name)) > 1), None)
    if doubled is not None:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"query: {_shown(doubled)} is given more than once")
    return _validated(model, dict(query), "query")


async def read_body(request: web.Request, model: type[Body]) -> tuple[Body, object]:
    """The body, and the document that it was made of.

    Raises:
        ApiError: late, no JSON, or not what the model describes.
        web.HTTPException: larger than the listener allows.
    """
    if request.content_type != "application/json":
        raise ApiError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    if "Content-Encoding" in request.headers:
        raise ApiError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body must not be encoded: Content-Encoding is refused")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            data = await request.read()
    except TimeoutError:
        raise ApiError(ErrorCode.TIMEOUT, "the request's body did not arrive in time") from None
    try:
        document = jsoncodec.loads(data.decode("utf-8").encode())
    except ValueError:
        raise ApiError(ErrorCode.INVALID_REQUEST, "body: not JSON") from None
    return _validated(model, document, "body"), document


def idempotency_key(request: web.Request) -> str:
    """The key; empty without one.

    Raises:
        ApiError: it is none, or there are two.
    """
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return ""
    if len(values) > 1 or re.fullmatch(KEY_PATTERN, values[0]) is None:
        raise ApiError(ErrorCode.INVALID_REQUEST, "header: Idempotency-Key must be 1 to 128 visible ASCII characters")
    return values[0]


def _validated(model: type[_Model], document: object, where: str) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = "is not known" if first["type"] == "extra_forbidden" else _lower(first["msg"])
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{where}: {_shown(place)}: {said}".replace(": :", ":")) from None
    except RecursionError:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{where}: nested too deeply") from None


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _shown(name: str) -> str:
    """A name from outside, fit for an answer."""
    return "".join(char if char.isprintable() else "?" for char in name[:100])

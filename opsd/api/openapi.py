"""The OpenAPI 3.1 document of the table: generated, never written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from opsd import __version__
from opsd.api.changes import ChangeKind
from opsd.api.failure import ALWAYS, ERRORS, WITH_BODY, WITH_TOKEN, ErrorCode
from opsd.api.models.base import Query
from opsd.api.parsing import KEY_PATTERN, path_schema
from opsd.api.route import Route

_REF = "#/components/schemas/{model}"

#: Of each event, as there is no media type for a whole stream.
_EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "what `Last-Event-ID` takes"},
        "event": {
            "enum": ["hello", *ChangeKind, "gap", "end"],
            "description": "what has changed; `hello`, `gap` and `end` are about the stream itself",
        },
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
    "additionalProperties": False,
}
_STREAM_MEDIA = "text/event-stream"


def errors_of(route: Route) -> list[ErrorCode]:
    """Every error code that a route may answer, in the order of the table of errors."""
    codes = {*ALWAYS, *route.errors}
    if route.scope is not None:
        codes |= {*WITH_TOKEN}
    if route.body is not None:
        codes |= {*WITH_BODY}
    if route.mutates:
        codes |= {ErrorCode.MANAGER_FILE}
    if route.keyed:
        codes |= {ErrorCode.IDEMPOTENCY_CONFLICT, ErrorCode.OUTCOME_UNKNOWN}
    return [code for code in ERRORS if code in codes]


def openapi_document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document."""
    bodies = [(route.body, "validation") for route in routes if route.body is not None]
    _, schemas = models_json_schema(list(dict.fromkeys(bodies)), ref_template=_REF)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.full_path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "opsd control API",
            "version": __version__,
            "description": "Whatever an operator can do with a command on the manager's host. Every `GET` also answers "
            "`HEAD`, carries an `ETag` and honours `If-None-Match`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Error": _error_schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query), *_header_parameters(route)],
        "responses": {str(route.status): _success(route), **_failures(route)},
        "security": [] if route.scope is None else [{"token": []}],
    }
    if route.scope is not None:
        operation["x-opsd-scope"] = route.scope.value
        operation["x-opsd-reach"] = "loop" if "{loop}" in route.path else route.reach.value
    if route.body is not None:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": path_schema(name)}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query_parameters(model: type[Query]) -> list[dict[str, Any]]:
    described = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": schema.get("description", ""),
            "schema": _query_schema(schema),
        }
        for name, schema in described.get("properties", {}).items()
    ]


def _query_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Without null, which a query string cannot say."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    found = dict(kinds[0]) if len(kinds) == 1 else dict(schema)
    if schema.get("default") is not None:
        found["default"] = schema["default"]
    for key in ("title", "description"):
        found.pop(key, None)
    return found


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    if route.media == _STREAM_MEDIA:
        text = "The `id` of the last event that is known: what came behind it is sent first."
        return [_header_parameter("Last-Event-ID", text, {"type": "string"})]
    if not route.keyed:
        return []
    text = "The same key with the same request is carried out once and answered alike; with another request it is 422."
    return [_header_parameter("Idempotency-Key", text, {"type": "string", "pattern": KEY_PATTERN})]


def _header_parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def _success(route: Route) -> dict[str, Any]:
    if route.media == _STREAM_MEDIA:
        return {"description": "Server-Sent Events", "content": {_STREAM_MEDIA: {"schema": _EVENT_SCHEMA}}}
    return {"description": "done", "content": {"application/json": {"schema": answer_schema(route)}}}


def answer_schema(route: Route) -> dict[str, Any]:
    """The schema of a route's success."""
    if route.bare:
        return dict(route.members[route.bare])
    members: dict[str, Any] = {"ok": {"const": True}, **route.members}
    if route.mutates:
        members["traceId"] = {"type": "string", "description": "also in the audit and in the log"}
    if route.keyed:
        members["replayed"] = {"type": "boolean", "description": "the answer to an earlier request with this key"}
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _failures(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[ErrorCode]] = {}
    for code in errors_of(route):
        by_status.setdefault(ERRORS[code][0], []).append(code)
    found = {str(status): _failure(codes) for status, codes in sorted(by_status.items())}
    if not route.mutates and route.media == "application/json":
        found = {"304": {"description": "what `If-None-Match` names is still what there is"}, **found}
    return found


def _failure(codes: Iterable[ErrorCode]) -> dict[str, Any]:
    text = "; ".join(f"`{code.value}`: {ERRORS[code][1]}" for code in codes)
    return {"description": text, "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}}


def _error_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "ok": {"const": False},
            "error": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
                    "message": {"type": "string"},
                },
                "required": ["code", "message"],
                "additionalProperties": False,
            },
            "traceId": {"type": "string"},
            "exitCode": {"type": "integer"},
            "result": {"type": "object", "description": "of an intent that had no effect, or a command that failed"},
            "replayed": {"type": "boolean"},
        },
        "required": ["ok", "error"],
        "additionalProperties": False,
    }

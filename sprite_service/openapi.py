"""The service as an OpenAPI 3.1 document, at ``/openapi.json``; a test holds it to the paths that are answered.

It says what the contract says (30, section 6), leniency included: what counts as not given, and which fields are read
as text whatever their type.
"""

from __future__ import annotations

from typing import Any

from opsd import __version__

_TEXT = r"^[\x20-\x7e]*$"
_LOOP = {"type": "string", "minLength": 1, "pattern": r"^\s*[^\s/\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*$"}
_NUMBER = {"type": "string", "pattern": r"^(\s*|[0-9]{1,15})$"}
_SECONDS = {"type": "string", "pattern": r"^\s*([0-9]{1,7}(\.[0-9]{1,6})?)?\s*$"}
#: Read as text; an empty list or object counts as not given, as every falsy value does.
_AS_TEXT: dict[str, Any] = {
    "type": ["string", "number", "boolean", "null", "array", "object"],
    "maxItems": 0,
    "maxProperties": 0,
}
_ARGUMENT = {**_AS_TEXT, "pattern": r"^[^\x00]*$"}
_KEY = {**_AS_TEXT, "maxLength": 512, "pattern": _TEXT}
_COUNT: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
_SWITCH: dict[str, Any] = {"type": ["boolean", "null"]}

#: Of each event, as there is no media type for a whole stream.
_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["loop_run_event", "error", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
    "additionalProperties": False,
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "application/json": {"type": "object"},
    "text/event-stream": _EVENT,
    "text/plain": {"type": "string"},
}

_ERRORS = {
    "400": "`invalid_request`, `invalid_json`: a parameter or the body is not as described",
    "401": "`unauthorized`: missing or invalid token",
    "403": "`forbidden`: the principal lacks the scope, or may not see the loop",
    "404": "`not_found`: no such endpoint",
    "500": "`runtime_error`: a mistake of the service's, or files that cannot be written",
    "501": "`not_implemented`: no such method",
    "502": "`runtime_error`: the loop's artifacts are missing or cannot be read",
    "503": "`overloaded`, `shutting_down`: try again",
}
_CONTROL_ERRORS = {
    "408": "`timeout`: the body did not arrive in time",
    "413": "`payload_too_large`",
    "422": "`idempotency_conflict`: the key was used for another request",
}


def openapi_document() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "sprite service", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"opsToken": []}],
        "paths": {
            "/healthz": _get("healthz", "The process answers"),
            "/readyz": _get("readyz", "Whether it does its work, and why not", also=("503",)),
            "/metrics": _get("metrics", "Figures in the text format of Prometheus", media="text/plain"),
            "/openapi.json": _get("openapi", "This document"),
            "/ops/loops": _get("listLoops", "The loops of the repo"),
            "/ops/snapshot": _get("snapshot", "One loop's state", _query("loopId", _LOOP, required=True)),
            "/ops/events": _get("events", "The events behind a cursor", *_event_parameters(),
                                _query("maxEvents", _NUMBER), _query("skipLine", _NUMBER), _query("wait", _SECONDS)),
            "/ops/events/stream": _get("stream", "The same as Server-Sent Events", *_event_parameters(),
                                       _query("maxEvents", _NUMBER), _query("forSeconds", _SECONDS),
                                       _header("Last-Event-ID", _NUMBER), media="text/event-stream"),
            "/ops/control": {"post": _control()},
        },
        "components": {
            "schemas": {"Error": _error()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "opsToken": {"type": "apiKey", "in": "header", "name": "X-Ops-Token"},
            },
        },
    }  # fmt: skip


def _event_parameters() -> list[dict[str, Any]]:
    return [_query("loopId", _LOOP, required=True), _query("cursor", _NUMBER)]


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _header(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _get(
    name: str, summary: str, *parameters: dict[str, Any], media: str = "application/json", also: tuple[str, ...] = ()
) -> dict[str, Any]:
    success = {"description": "done", "content": {media: {"schema": _SCHEMAS[media]}}}
    responses = {"200": success, **_refusals(_ERRORS)}
    for status in also:
        responses[status] = {
            "description": "not ready",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    return {"get": {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}}


def _control() -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {
            "loopId": {"type": "string", "pattern": _LOOP["pattern"]},
            "intent": {"enum": ["cancel", "approve", "reject"]},
            "by": _ARGUMENT,
            "note": _ARGUMENT,
            "traceId": _KEY,
            "idempotencyKey": _KEY,
            "noConfirm": _SWITCH,
            "onlyIfActive": _SWITCH,
            "timeoutSeconds": _COUNT,
            "intervalSeconds": _COUNT,
        },
        "required": ["loopId", "intent"],
    }
    told = {"description": "the intent's row, also where its effect was not seen (409) or it failed (500)"}
    result = {**told, "content": {"application/json": {"schema": {"type": "object"}}}}
    visible = {"type": "string", "maxLength": 512, "pattern": r"^[\x20-\x7e]*$"}
    return {
        "operationId": "control",
        "summary": "Cancel, approve or reject, once per idempotency key",
        "parameters": [_header("X-Idempotency-Key", visible), _header("X-Trace-Id", visible)],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": result, **_refusals(_ERRORS | _CONTROL_ERRORS), "409": result, "500": result},
    }


def _refusals(errors: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": text, "content": content} for status, text in errors.items()}


def _error() -> dict[str, Any]:
    members = {"code": {"type": "string"}, "message": {"type": "string"}}
    error = {"type": "object", "properties": members, "required": ["code", "message"]}
    return {
        "type": "object",
        "properties": {"ok": {"const": False}, "error": error},
        "required": ["ok", "error"],
    }

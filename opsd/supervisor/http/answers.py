"""The form of the listener's own answers."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from opsd.contract import jsoncodec


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """``value`` as a JSON answer."""
    body = jsoncodec.dumps(value) + b"\n"
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The one form that errors have."""
    return json_response({"ok": False, "error": {"code": code, "message": message}}, status, headers)

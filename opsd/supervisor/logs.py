"""The log: structlog events as JSON lines, or in console form on a terminal; secrets never reach it.

Every event carries the loop and the trace that are bound in the context. The standard library's loggers (aiohttp,
asyncio) go through the same renderer.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from opsd.contract.jsoncodec import dumps
from opsd.supervisor.redaction import Redactor, redact

__all__ = ["Redactor", "configure", "redact"]

#: What control characters look like on a terminal: their pictures.
_CONTROL = {code: chr(0x2400 + code) for code in range(32)} | {127: "\u2421"} | dict.fromkeys(range(128, 160), "\ufffd")
_CONTROL_BUT_LAYOUT = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}


class _Sink:
    """One write per line; a reader that went away costs lines, and ends nothing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write or lose ``text``."""
        with contextlib.suppress(OSError, ValueError):
            return self._out.write(text)
        return 0

    def flush(self) -> None:
        """Pass on what was written."""
        with contextlib.suppress(OSError, ValueError):
            self._out.flush()


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up logging, also once more. ``form`` is ``json``, ``console`` or ``auto`` (console on a terminal).

    ``level`` is a level's name; the standard library's loggers say nothing below ``info``. ``stream`` None is stderr.
    """
    out = stream or sys.stderr
    sink = cast(TextIO, _Sink(out))
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _render_exception,
        redact,
    ]
    rendering: list[Any] = (
        [
            _escape_control,
            structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
        if console
        else [structlog.processors.JSONRenderer(serializer=_to_json)]
    )
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sink),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("aiohttp.server").filters[:] = [_no_protocol_errors]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))


def _no_protocol_errors(record: logging.LogRecord) -> bool:
    """Without the stack that aiohttp logs for bytes that are no HTTP: anybody who reaches the port can send them."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) or type(error).__module__ == "aiohttp.http_exceptions")


def _render_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The traceback as text, so that the redactor sees it."""
    found = event.pop("exc_info", None)
    if found:
        error = found if isinstance(found, BaseException) else sys.exc_info()[1] if found is True else found[1]
        if error is not None:
            event["exception"] = "".join(traceback.format_exception(error))
    return event


def _escape_control(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A terminal shows what a sprite said, and does not obey it."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = value.translate(_CONTROL_BUT_LAYOUT if key in ("exception", "stack") else _CONTROL)
    return event


def _to_json(event: Any, **_options: Any) -> str:
    return dumps(event).decode()

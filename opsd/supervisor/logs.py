"""The log: structlog events as JSON lines, or in console form on a terminal; secrets never reach it.

Every event carries the loop and the trace that are bound in the context. The standard library's loggers (aiohttp,
asyncio) go through the same renderer.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

_MASKED_KEYS = ("token", "authorization", "password", "secret")
_MAX_TEXT = 8192


class Redactor:
    """Replaces known secrets in every text of an event, and whatever stands under a telling key."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secret: str) -> None:
        """Never show this text."""
        if len(secret) >= 4:
            self._secrets.add(secret)

    def text(self, value: str) -> str:
        """``value`` without secrets, bounded."""
        for secret in self._secrets:
            if secret in value:
                value = value.replace(secret, "[redacted]")
        return value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]} ... [cut]"

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if any(word in key.lower() for word in _MASKED_KEYS):
                event[key] = "[redacted]"
            elif isinstance(value, str):
                event[key] = self.text(value)
            elif not isinstance(value, (int, float, bool, type(None))) and key != "exc_info":
                event[key] = self._deep(value)
        return event

    def _deep(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._deep(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._deep(item) for item in value]
        return value if isinstance(value, (int, float, bool, type(None))) else self.text(str(value))


#: The process's redactor; whoever learns a secret adds it.
redact = Redactor()


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up logging. ``form`` is ``json``, ``console`` or ``auto`` (console on a terminal); ``level`` a level's name."""
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _render_exception,
        redact,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))


def _render_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The traceback as text, so that the redactor sees it."""
    found = event.pop("exc_info", None)
    if found:
        error = found if isinstance(found, BaseException) else sys.exc_info()[1] if found is True else found[1]
        if error is not None:
            event["exception"] = "".join(traceback.format_exception(error))
    return event

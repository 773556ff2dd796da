"""Log lines: one form for all loggers, each whole, none with a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from opsd.supervisor import logs


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs.redact, "_secrets", ())
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Writes(io.StringIO):
    """A stream that remembers its single writes."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.terminal = terminal

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    def isatty(self) -> bool:
        return self.terminal

    def lines(self) -> list[dict[str, Any]]:
        assert all(text.endswith("\n") and text.count("\n") == 1 for text in self.writes)
        return [json.loads(text) for text in self.writes]


def test_each_event_is_one_json_line_in_one_write_with_its_context() -> None:
    out = Writes()
    logs.configure("info", "auto", out)
    log = structlog.get_logger("opsd.test")
    with structlog.contextvars.bound_contextvars(loop="alpha", trace="t-1"):
        log.info("pass.finished", events=3, ratio=float("nan"), odd="\ud800\x1b[31m\n")
    log.debug("not.shown")
    (line,) = out.lines()
    stamp = line.pop("timestamp")
    assert stamp.endswith("Z")
    assert stamp[10] == "T"
    assert line == {
        "event": "pass.finished",
        "level": "info",
        "loop": "alpha",
        "trace": "t-1",
        "events": 3,
        "ratio": None,
        "odd": "\ufffd\x1b[31m\n",
    }


def test_the_standard_library_goes_through_the_same_form() -> None:
    out = Writes()
    logs.configure("debug", "json", out)
    logs.redact.add("hush-hush")
    with structlog.contextvars.bound_contextvars(loop="alpha"):
        logging.getLogger("aiohttp.access").info("GET %s", "/x?t=hush-hush", extra={"authorization": "Bearer x"})
    logging.getLogger("asyncio").debug("not shown")
    (line,) = out.lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "GET /x?t=[redacted]",
        "level": "info",
        "logger": "aiohttp.access",
        "loop": "alpha",
        "authorization": "[redacted]",
    }


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_in_a_chain_of_exceptions_is_in_no_line(form: str) -> None:
    out = Writes()
    logs.configure("info", form, out)
    logs.redact.add("hush-hush")
    log = structlog.get_logger()
    try:
        try:
            raise ValueError("Bearer hush-hush")
        except ValueError as error:
            raise RuntimeError({"key": "hush-hush"}) from error
    except RuntimeError as error:
        log.exception("first")
        log.error("second", exc_info=error)
        logging.getLogger("aiohttp.server").exception("third %s", "hush-hush")
    log.error("fourth", exc_info=None)
    written = "".join(out.writes)
    assert "hush-hush" not in written
    assert written.count("RuntimeError: {'key': '[redacted]'}") == 3
    assert written.count("ValueError: Bearer [redacted]") == 3
    assert len(out.writes) == 4


def test_auto_is_the_console_form_on_a_terminal_only() -> None:
    terminal, pipe = Writes(terminal=True), Writes()
    logs.configure("info", "auto", terminal)
    structlog.get_logger().info("hello", a=1)
    logs.configure("info", "auto", pipe)
    structlog.get_logger().info("hello", a=1)
    assert not terminal.writes[0].startswith("{")
    assert pipe.lines()[0]["event"] == "hello"


def test_a_terminal_does_not_obey_what_a_sprite_said() -> None:
    out = Writes()
    logs.configure("info", "console", out)
    hostile = "\x1b]0;owned\x07\nfake line\x9b31m\x7f"
    structlog.get_logger().info("told " + hostile, message=hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        structlog.get_logger().exception("told in an error")
    told, error = out.writes
    assert told.count("\u241b]0;owned\u2407\u240afake line\ufffd31m\u2421") == 2
    assert told.count("\n") == 1
    assert not any(character in told + error for character in "\x1b\x07\x9b\x7f")


def test_the_level_can_be_set_again_and_reaches_loggers_that_exist() -> None:
    out = Writes()
    log = structlog.get_logger("early")
    logs.configure("warning", "json", out)
    log.info("not.shown")
    logging.getLogger("aiohttp").info("not shown")
    logs.configure("debug", "json", out)
    log.debug("shown")
    logging.getLogger("aiohttp").info("shown once")
    assert [line["event"] for line in out.lines()] == ["shown", "shown once"]


def test_a_reader_of_the_log_that_went_away_ends_nothing() -> None:
    class Broken(Writes):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise ValueError("I/O operation on closed file")

    logs.configure("info", "json", Broken())
    structlog.get_logger().info("into the void")
    logging.getLogger("aiohttp").error("into the void")

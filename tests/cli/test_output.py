"""What others have said: exact in a pipe, text on a terminal."""

from __future__ import annotations

import sys

import pytest

from opsd.cli.output import write_error, write_foreign

SAID = "a\x1b[2J\tb\x9b1m\nnext\r\n"
SHOWN = "a\\x1b[2J   b\\x9b1m\nnext\\x0d\n"


@pytest.fixture(params=[True, False])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(type(stream), "isatty", lambda _self: request.param, raising=False)
    return bool(request.param)


def test_an_answer(terminal: bool, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_foreign(SAID.encode() + b"\xff")
    out = capfdbinary.readouterr().out
    assert out == (f"{SHOWN}\ufffd".encode() if terminal else SAID.encode() + b"\xff")


def test_an_error(terminal: bool, capfd: pytest.CaptureFixture[str]) -> None:
    write_error(SAID.removesuffix("\r\n"))
    err = capfd.readouterr().err
    assert err == (SHOWN.removesuffix("\\x0d\n") if terminal else SAID.removesuffix("\r\n")) + "\n"

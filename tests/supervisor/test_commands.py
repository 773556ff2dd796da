"""What is told of a command that runs as a process of its own."""

from __future__ import annotations

import pytest

from opsd.runtime.process import Answer
from opsd.supervisor.jobs.commands import complaint


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (b"", ""),
        (b"error: no such loop\n", "no such loop"),
        (b"error: no fleet state\nerror: no status\n", "no fleet state; no status"),
        (b"Traceback:\n  line 1\nerror: internal error\n", "internal error"),
        (b"usage: opsd\nkilled\n", "killed"),
        (b"error: \x1b[2J\xff\n", "\\x1b[2J\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_failure_is_told_with_its_cause(stderr: bytes, told: str) -> None:
    assert complaint(Answer(1, b"", stderr)) == told


def test_what_a_command_says_is_bounded() -> None:
    assert len(complaint(Answer(1, b"", b"error: " + b"x" * 100_000))) <= 500

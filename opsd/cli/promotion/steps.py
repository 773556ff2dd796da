"""The commands that a promotion command starts: the operator's programs, or those of this manager (contract 95, 1.6).

A command of this manager runs in this process, called as from a shell: the same arguments, outputs and exit code. That
keeps one way in for both, and no pass pays for the start of another interpreter.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial

from opsd.promotion.steps import Step
from opsd.runtime.process import Answer, run_program

CI_VARIABLE = "OPS_MANAGER_PROMOTION_CI_SCRIPT"
APPLY_VARIABLE = "OPS_MANAGER_PROMOTION_APPLY_SCRIPT"
ORCHESTRATE_VARIABLE = "OPS_MANAGER_PROMOTION_ORCHESTRATE_SCRIPT"

#: A program may run so many seconds; orchestrate runs two others.
_TIMEOUT_S = 600.0
_ORCHESTRATE_TIMEOUT_S = 1500.0
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024


def ci_step() -> Step:
    """Promotion CI."""
    return _step(CI_VARIABLE, "ci", _TIMEOUT_S, answers_on_stdout=False)


def apply_step() -> Step:
    """Promotion apply."""
    return _step(APPLY_VARIABLE, "apply", _TIMEOUT_S, answers_on_stdout=True)


def orchestrate_step() -> Step:
    """Promotion orchestrate."""
    return _step(ORCHESTRATE_VARIABLE, "orchestrate", _ORCHESTRATE_TIMEOUT_S, answers_on_stdout=False)


def _step(variable: str, command: str, timeout_s: float, *, answers_on_stdout: bool) -> Step:
    program = os.environ.get(variable)
    if not program:
        return Step(partial(_run_here, command))

    def run(argv: Sequence[str]) -> Answer:
        # Where the answer is a file, both streams are read as one, in the order of writing.
        return run_program(
            [program, *argv], timeout_s=timeout_s, max_output_bytes=_MAX_OUTPUT_BYTES, merge=not answers_on_stdout
        )

    return Step(run, is_program=True)


def _run_here(command: str, argv: Sequence[str]) -> Answer:
    from opsd.cli.main import main

    stdout, stderr = _Stream(), _Stream()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = main(["promotion", command, *argv])
    out, err = stdout.printed(), stderr.printed()
    return Answer(code, out, err, out + err)


class _Stream(io.TextIOWrapper):
    """Collects what is written, as text or as bytes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)

    def printed(self) -> bytes:
        """Everything so far."""
        self.flush()
        buffer = self.buffer
        return buffer.getvalue() if isinstance(buffer, io.BytesIO) else b""

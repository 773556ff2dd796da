"""Dispatch, exit codes and what a person sees when something goes wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsd import __version__
from opsd.cli import main as main_module
from opsd.contract.errors import OpsError
from tests.cli.support import Repo, Shell


def _with_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command(argv: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(main_module, "load", lambda target: command)


def test_help_lists_the_commands(opsd: Shell) -> None:
    for flag in ("--help", "-h", "help"):
        result = opsd(flag)
        assert (result.exit, result.err) == (0, "")
        assert b"snapshot" in result.out
        assert b"reconcile" in result.out


def test_the_version_is_the_packages(opsd: Shell) -> None:
    assert opsd("version").out == opsd("--version").out == f"opsd {__version__}\n".encode()


def test_an_unknown_command_is_refused_after_the_usage(opsd: Shell) -> None:
    result = opsd("fly")
    assert (result.exit, result.err) == (1, "error: unknown command: fly\n")
    assert result.out.startswith(b"usage: opsd")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("statsu",), "unknown command: statsu, did you mean status?"),
        (("flet",), "unknown command: flet, did you mean fleet?"),
        (("lops",), "unknown command: lops, did you mean loops?"),
        (("fleet", "statsu"), "unknown command: fleet statsu, did you mean fleet status?"),
        (("fleet-status",), "unknown command: fleet-status, did you mean fleet status?"),
        (("silence",), "unknown command: silence, did you mean alerts silence?"),
    ],
)
def test_the_command_that_was_probably_meant_is_named(opsd: Shell, typed: tuple[str, ...], meant: str) -> None:
    result = opsd(*typed)
    assert (result.exit, result.err) == (1, f"error: {meant}\n")


def test_no_command_at_all_is_an_error(opsd: Shell) -> None:
    assert (opsd().exit, opsd().err) == (1, "error: a command is required\n")


def test_a_group_needs_one_of_its_commands(opsd: Shell) -> None:
    assert opsd("config", "fix").err == "error: unknown command: config fix\n"
    assert opsd("config").exit == 1
    assert opsd("config", "--help").exit == 0


def test_an_expected_failure_is_one_line(opsd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_command(monkeypatch, OpsError("two\nlines"))
    assert opsd("snapshot").err == "error: two\\nlines\n"


def test_an_unexpected_failure_shows_neither_stack_nor_values(opsd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_command(monkeypatch, ValueError("a secret"))
    result = opsd("snapshot")
    assert (result.exit, result.err) == (1, "error: internal error: ValueError (OPSD_DEBUG=1 shows where)\n")


def test_the_stack_is_shown_to_who_asks_for_it(opsd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSD_DEBUG", "1")
    _with_command(monkeypatch, ValueError("x"))
    assert "Traceback" in opsd("snapshot").err


def test_an_unreadable_file_is_named(opsd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_command(monkeypatch, PermissionError(13, "Permission denied", "/x/y"))
    assert opsd("snapshot").err == "error: cannot use /x/y: Permission denied\n"


def test_an_interrupt_ends_quietly(opsd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_command(monkeypatch, KeyboardInterrupt())
    assert (opsd("run").exit, opsd("run").err) == (130, "")


def test_a_closed_pipe_ends_quietly_and_leaves_the_cursor(repo: Repo) -> None:
    repo.append(*["role_end"] * 5000)
    command = [sys.executable, "-m", "opsd", "events", *repo.flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
    assert not (repo.loop_dir / "ops-manager.cursor.json").exists()


def test_a_one_shot_command_imports_nothing_it_does_not_use(repo: Repo) -> None:
    code = (
        "import sys; from opsd.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'asyncio', 'argparse', 'logging', 'pydantic', 'structlog', 'aiohttp', 'prometheus_client', 'rich',"
        " 'socket', 'ssl', 'subprocess'}; print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    for command in ("snapshot", "events", "project-state", "reconcile"):
        done = subprocess.run(
            [sys.executable, "-c", code, command, *repo.flags],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        assert done.stderr == "[]\n", command

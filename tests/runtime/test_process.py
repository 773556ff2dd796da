"""Running programs: how they end, and that nothing of them is left when they are stopped."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from opsd.runtime.process import Answer, Ending, run_program
from tests.runtime.stopped import await_end, stopped_after_it_began

#: Says a word once the one before has been read.
_ONE_BY_ONE = """
import fcntl, os, termios, time
for descriptor, word in ((1, b"one"), (2, b"two"), (1, b"three")):
    os.write(descriptor, word + b"\\n")
    while any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))):
        time.sleep(0.001)
"""


def _program(path: Path, body: str, head: str = "#!/bin/sh\n") -> Path:
    path.write_text(head + body)
    path.chmod(0o755)
    return path


def test_how_a_program_ends_is_its_exit_code(tmp_path: Path) -> None:
    assert run_program(["/bin/sh", "-c", "exit 3"]).exit == 3
    assert run_program(["/bin/sh", "-c", "kill -TERM $$"]).exit == 128 + 15
    assert run_program([str(tmp_path / "missing")]).exit == 127
    (tmp_path / "plain").write_text("x")
    assert run_program([str(tmp_path / "plain")]).exit == 126


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(tmp_path: Path) -> None:
    script = _program(tmp_path / "script", 'printf "%s|" "$@"', head="")
    assert run_program([str(script), "a b", ""]).stdout == b"a b||"


def test_a_program_that_does_not_end_is_stopped() -> None:
    answer = run_program(["/bin/sleep", "30"], timeout_s=0.05)
    assert answer.exit == 124
    assert b"stopped" in answer.stderr


def test_what_a_stopped_program_started_is_stopped_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = _program(tmp_path / "script", f"sleep 600 & echo $! > {pid_file}; wait\n")
    assert (
        stopped_after_it_began(pid_file, lambda timeout_s: run_program([str(script)], timeout_s=timeout_s)).exit == 124
    )
    await_end(int(pid_file.read_text()))


def test_endless_output_is_bounded() -> None:
    answer = run_program(["/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxx; done"], max_output_bytes=100_000)
    assert (answer.exit, answer.stdout) == (124, b"")
    assert b"after 100000 bytes of output" in answer.stderr


def test_both_streams_are_told_apart() -> None:
    assert run_program(["/bin/sh", "-c", "echo out; echo err >&2"])[:3] == (0, b"out\n", b"err\n")


def test_both_streams_also_come_in_the_order_of_their_arrival() -> None:
    assert run_program([sys.executable, "-c", _ONE_BY_ONE]).output == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60"])
def test_one_thread_ends_what_another_waits_for(script: str) -> None:
    ending, answers = Ending(), SimpleQueue[Answer]()

    def wait() -> None:
        with ending.ends():
            answers.put(run_program(["/bin/sh", "-c", script]))

    thread = threading.Thread(target=wait)
    thread.start()
    ending.begin()
    thread.join()
    answer = answers.get()
    assert answer.exit == 124
    assert b"its caller ends" in answer.stderr


def test_what_another_thread_waits_for_without_asking_for_an_end_goes_on() -> None:
    Ending().begin()
    assert run_program(["/bin/sh", "-c", "echo on"]).stdout == b"on\n"


def test_a_program_can_be_given_an_environment_of_its_own() -> None:
    answer = run_program(["/bin/sh", "-c", "echo $ONLY$USER"], env={"ONLY": "this"})
    assert answer.stdout == b"this\n"


@pytest.mark.parametrize("argument", ["a\0b", "\ud800"])
def test_an_argument_that_no_program_can_be_given_is_an_answer(argument: str) -> None:
    answer = run_program(["/bin/true", argument])
    assert answer.exit == 126
    assert b"no program can be given" in answer.stderr

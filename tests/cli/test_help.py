"""What ``--help`` prints: within a terminal's width, and about ``--server`` what is so."""

from __future__ import annotations

import pytest

from opsd.cli.arguments import SERVER, CommandSpec, Flag
from opsd.cli.help_text import paragraphs, two_columns
from opsd.cli.host_only import HOST_ONLY
from opsd.cli.main import main, table
from tests.cli.process import on_a_terminal

SPEC = CommandSpec(
    "opsd probe",
    "Probes what there is to be probed, and says in one long sentence what it found, where, and since when it is so.",
    (
        Flag("--path", "a path " * 20, "<path>"),
        Flag("--a-flag-that-is-long-by-itself", "its meaning " * 9, "<seconds>"),
    ),
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_help_text_fits_its_terminal_and_loses_nothing(width: int) -> None:
    text = SPEC.usage(width)
    assert max(map(len, text.splitlines())) <= width
    assert text.split() == SPEC.usage().split()


def test_a_meaning_stands_beside_its_name_in_every_line_or_below_it() -> None:
    assert two_columns([("one", "a b c d"), ("three", "e")], None) == "  one    a b c d\n  three  e\n"
    assert two_columns([("one", "seven letters, seven letters more")], 36).splitlines() == [
        "  one  seven letters, seven letters",
        "       more",
    ]
    assert two_columns([("a-long-name", "what it is")], 24) == "  a-long-name\n      what it is\n"


def test_the_lines_of_a_text_stay_apart() -> None:
    assert paragraphs("one two\n\nthree", 5) == "one\ntwo\n\nthree\n"


async def test_every_help_fits_a_terminal_of_80_columns() -> None:
    for command in ([], *(name.split() for name, (_, summary) in table().items() if summary)):
        status, text = await on_a_terminal(*command, "--help", env={"COLUMNS": "80"})
        assert status == 0
        assert max(map(len, text.splitlines())) <= 80, command


def test_the_help_of_a_command_names_the_server_unless_it_works_on_this_host_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, (_, summary) in table().items():
        action = ["add"] if name == "alerts silence" else []
        with pytest.raises(SystemExit) as ended:
            main([*name.split(), *action, "--help"])
        assert ended.value.code == 0
        assert (SERVER.name in capsys.readouterr().out) == (name not in HOST_ONLY), (name, summary)

"""What pages say about reason codes: what is said can be done, and stands in the runbook."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import pytest

from opsd.cli.reasons import loop, promotion
from opsd.cli.reasons.remedies import BRIDGE, CONTROLLER, DRILL_TROUBLES, LOOP, PROMOTION, Remedy
from opsd.cli.reasons.told import explained, meaning, what_to_do
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.table import COMMANDS
from opsd.contract.reasons import FailureCode, ReasonCode
from tests.cli.support import printed
from tools.__main__ import ROOT

EVIL = "\x1b[2Jred [bold]alert[/bold]"
PLACE = ("--repo", "/srv/my repo", "--loop", "a")
TABLES = [LOOP, PROMOTION, DRILL_TROUBLES, CONTROLLER, BRIDGE]


@pytest.mark.parametrize("remedies", TABLES)
def test_every_section_that_is_named_is_one_of_the_runbook(remedies: Mapping[str, Remedy]) -> None:
    titles = set(re.findall(r"^#{3,4} (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert {remedy.runbook for remedy in remedies.values()} <= titles


@pytest.mark.parametrize("place", [PLACE, ("--server", "https://ops.example", "--loop", "a")])
@pytest.mark.parametrize("remedies", TABLES)
def test_every_command_takes_the_flags_that_are_shown(remedies: Mapping[str, Remedy], place: tuple[str, ...]) -> None:
    for code in remedies:
        flags = place if remedies is LOOP else place[:2]
        for told in what_to_do([f"{code}x" if code.endswith("_") else code], remedies, flags):
            label, _, command = told.plain.partition("  ")
            if label == "in the runbook":
                continue
            program, *words = shlex.split(command)
            assert program == "opsd"
            name = next(known for known in (words[0], " ".join(words[:2])) if known in COMMANDS)
            argv = [word for word in words[len(name.split()) :] if word not in place[:2] or "--server" not in place]
            spec_of(COMMANDS[name].spec).parse(argv)


def test_every_code_of_a_loop_says_what_to_do() -> None:
    assert {code.value for code in (*ReasonCode, *FailureCode)} == LOOP.keys()


def test_every_remedy_is_of_a_code_with_a_meaning() -> None:
    known = promotion.GATES.keys() | promotion.CONTROLLER.keys() | promotion.CONTROLLER_STEPS.keys()
    assert PROMOTION.keys() | CONTROLLER.keys() <= known
    assert BRIDGE.keys() <= promotion.BRIDGE.keys()
    for code in promotion.DRILLS:
        assert sum(code.startswith(prefix) for prefix in DRILL_TROUBLES) == 1, code


def test_a_step_that_reads_the_loop_is_not_shown_where_the_loop_is_not() -> None:
    here, there = (what_to_do(["run_process_missing"], LOOP, PLACE, reads_loop=reads) for reads in (True, False))
    assert [told.plain for told in there] == ["in the runbook  OpsdLoopProcessMissing"]
    assert [told.plain for told in here] == [
        "end it for good  opsd control --repo '/srv/my repo' --loop a --intent cancel",
        "in the runbook  OpsdLoopProcessMissing",
    ]


def test_a_code_is_explained_once_and_one_of_another_program_is_shown_as_it_is() -> None:
    shown = printed(explained(["ingest_stale", None, "ingest_stale", EVIL], loop.HEALTH), width=200)
    assert shown.count("ingest_stale") == 1
    assert "ingest_stale" in shown
    assert "no new event for longer than the threshold" in shown
    assert "\x1b" not in shown
    assert "[bold]" in shown
    assert explained([]) == []


def test_markdown_of_the_reference_is_not_shown() -> None:
    assert meaning("controller_manual_pause_active", promotion.CONTROLLER).endswith("--hold-while-paused was asked for")
    assert meaning("no such code", promotion.CONTROLLER) == ""

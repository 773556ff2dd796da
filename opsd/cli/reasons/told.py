"""Reason codes on a page: what each means, and what to do about them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import SHOWN, cells, line, table
from opsd.cli.reasons.remedies import DRILL_TROUBLES, Remedy
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import compact_text, printable


def meaning(code: JsonValue, *groups: Mapping[str, str]) -> str:
    """What a code means by the first group that knows it; "" for a code of another program."""
    word = compact_text(code)
    return next((group[word].replace("`", "") for group in groups if word in group), "")


def explained(codes: Iterable[JsonValue], *groups: Mapping[str, str], style: str = "") -> list[RenderableType]:
    """A row for each code with its meaning, each code once; nothing where there is none."""
    words = list(dict.fromkeys(compact_text(code) for code in codes if code is not None))
    if not words:
        return []
    made = table("", "")
    made.show_header = False
    made.columns[0].no_wrap = True
    for word in words:
        made.add_row(*cells(f"  {word}", style=style), *cells(meaning(word, *groups)))
    return [made]


def legend(codes: Iterable[JsonValue], *groups: Mapping[str, str], prefix: str = "") -> list[RenderableType]:
    """What the codes of a table above mean, as far as that is known; nothing where none is.

    Args:
        prefix: what the table leaves out where its codes begin with it.
    """
    words = dict.fromkeys(compact_text(code) for code in codes if code is not None)
    known = [(word, told) for word in words if (told := meaning(word, *groups) or meaning(f"{prefix}{word}", *groups))]
    if not known:
        return []
    made = table("", "")
    made.show_header = False
    made.columns[0].no_wrap = True
    for word, told in known[:SHOWN]:
        made.add_row(*cells(word.removeprefix(prefix), told, style="dim"))
    return ["", made]


def what_to_do(
    codes: Iterable[JsonValue], remedies: Mapping[str, Remedy], place: Sequence[str], *, reads_loop: bool = True
) -> list[Text]:
    """A line for each command that helps, and one with the runbook's sections; nothing for codes that nobody knows.

    Args:
        place: the flags that say in a command where the loop or fleet is.
        reads_loop: whether commands that need the loop's own files work with ``place``.
    """
    found = [remedy for code in codes if (remedy := _remedy(compact_text(code), remedies)) is not None]
    steps = dict.fromkeys(step for remedy in found for step in remedy.steps if reads_loop or not step.reads_loop)
    told = [command_line(step.label, *shlex.split(step.command), place=place) for step in steps]
    sections = dict.fromkeys(remedy.runbook for remedy in found)
    return [*told, *([line("in the runbook", *sections, style="cyan")] if sections else [])]


def command_line(label: str, *command: str, place: Sequence[str]) -> Text:
    """A command of ours to look further or to act, with the flags that say where; it can be copied as it stands."""
    words, flags = _split(command)
    return line(label, printable(shlex.join(["opsd", *words, *place, *flags])), style="cyan")


def _split(command: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The command's name and operand, and its own flags, which stand behind those that say where."""
    first = next((index for index, word in enumerate(command) if word.startswith("--")), len(command))
    return command[:first], command[first:]


def _remedy(code: str, remedies: Mapping[str, Remedy]) -> Remedy | None:
    if code in remedies:
        return remedies[code]
    return next((remedy for prefix, remedy in DRILL_TROUBLES.items() if code.startswith(prefix)), None)

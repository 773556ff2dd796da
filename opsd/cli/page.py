"""What the readable answers of all commands share: when there is one, its lines, and how it is printed.

The contract's JSON goes to pipes and files; a person at a terminal gets a page. What comes from a sprite or a document
is shown on it as text: nothing in it is obeyed by a terminal or taken for markup. Imports ``rich`` only where a page is
really made.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from opsd.cli.arguments import Arguments
from opsd.cli.output import write_json
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import compact_text, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

#: So many of a kind are shown; nobody reads a thousand.
SHOWN = 25
_MOST_CHARACTERS = 200
_BETWEEN = " · "
_PREFIX = "autonomous_"
#: What a line is about, up to what there is to say; a further line begins below that, if it is not too far right.
_NAME = re.compile(r"\s*\S+(?: \S+)*  +")
_DEEPEST = 32
#: What columns that are kept whole have to leave for those that are not.
_LEAST_LEFT = 12


Page: TypeAlias = "Sequence[RenderableType]"


def for_a_person(arguments: Arguments) -> bool:
    """Whether the answer is read by a person: stdout is a terminal and ``--pretty`` did not ask for the document."""
    return sys.stdout.isatty() and not arguments.pretty()


def tell(arguments: Arguments, document: JsonValue, page: Callable[[], Page]) -> None:
    """Print a document: its page for a person, else as JSON."""
    if for_a_person(arguments):
        show(page())
    else:
        write_json(document, pretty=arguments.pretty())


def as_typed(arguments: Arguments, *flags: str) -> list[str]:
    """Those of ``flags`` that were given, with their values: what a command that a page shows has to repeat."""
    return [part for flag in flags if (given := arguments.given(flag)) for part in (flag, given)]


def aligned(lines: Iterable[Text]) -> list[Text]:
    """Lines that stand together, what they say in one column; one that says nothing is left out."""
    told = [(one, match.end()) for one in lines if (match := _NAME.match(one.plain)) and match.end() < len(one.plain)]
    column = max((end for _one, end in told if end <= _DEEPEST), default=0)
    for one, end in told:
        if end < column:
            after = one[end:]
            one.right_crop(len(one.plain) - end)
            one.pad_right(column - end)
            one.append_text(after)
    return [one for one, _end in told]


def apart(lines: Sequence[Text]) -> list[RenderableType]:
    """Lines below what comes before them, with an empty one between; nothing where there are none."""
    return ["", *aligned(lines)] if lines else []


def loop_place(arguments: Arguments, place: Sequence[str]) -> list[str]:
    """The flags that name the loop in the commands of a page; ``place`` is the server, none on the loop's own host."""
    return [*(place or as_typed(arguments, "--repo")), *as_typed(arguments, "--loop")]


def show(page: Sequence[RenderableType], console: Console | None = None) -> None:
    """Print a page, by default on stdout; what is a command or a path in it stays whole, so that it can be copied."""
    from rich.console import Console
    from rich.text import Text

    paper = console or Console()
    for part in page:
        if isinstance(part, Text):
            paper.print(_broken(part, paper.width), soft_wrap=True)
        else:
            paper.print(part)


def _broken(said: Text, width: int) -> Text:
    """A line that is longer than the terminal goes on in further ones, between its values and never in one.

    Not one that says ``no_wrap``, or has lines of its own.
    """
    if said.no_wrap or said.cell_len <= width or "\n" in said.plain:
        return said
    named = _NAME.match(said.plain)
    indent = named.end() if named is not None and named.end() <= _DEEPEST else 4
    first, *others = said.split(_BETWEEN)
    lines = [first]
    for value in others:
        if lines[-1].cell_len + value.cell_len + len(_BETWEEN) + len(_BETWEEN.rstrip()) > width:
            lines[-1].append(_BETWEEN.rstrip())
            lines.append(value.copy())
            lines[-1].pad_left(indent)
        else:
            lines[-1].append(_BETWEEN).append_text(value)
    return type(said)("\n").join(lines)


def line(name: str, *values: JsonValue, style: str = "") -> Text:
    """One line: what it is about, and what there is to say."""
    from rich.text import Text

    said = _BETWEEN.join(printable(compact_text(value)) for value in values if value not in (None, ""))
    return Text.assemble((f"{printable(name)}  ", "bold"), (said, style))


def clipped(text: str) -> str:
    """A text for one line of many: what is longer than anybody reads there is cut."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def span(seconds: JsonValue) -> str | None:
    """A length of time in the two units that matter at its size; None for what is none, as of an event that never was.

    What is no number is shown as it is: documents of other programs hold such.
    """
    if seconds is None or isinstance(seconds, bool):
        return None
    if not isinstance(seconds, (int, float)):
        return compact_text(seconds)
    whole = int(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole} s"
    if minutes < 120:
        return _two(minutes, "min", whole % 60, "s")
    return _two(hours, "h", minutes % 60, "min") if hours < 48 else _two(days, "d", hours % 24, "h")


def _two(count: int, unit: str, rest: int, smaller: str) -> str:
    return f"{count} {unit} {rest} {smaller}" if rest else f"{count} {unit}"


def ago(seconds: JsonValue) -> str | None:
    """How long ago something was; None where nobody knows."""
    length = span(seconds)
    return None if length is None else f"{length} ago"


def counted(count: JsonValue, one: str, many: str | None = None) -> str:
    """How many there are, with the word in its number; ``many`` where that is not ``one`` with an s."""
    return f"{compact_text(count)} {one if count == 1 else many or one + 's'}"


def more(count: int, where: str = "--pretty shows them all") -> list[Text]:
    """How many of ``count`` are not shown, and where they are; a command that does something is no place to look."""
    from rich.text import Text

    return [Text(f"and {count - SHOWN} more; {where}", style="dim")] if count > SHOWN else []


def table(*names: str) -> Table:
    """A table without a frame that loses nothing in a narrow terminal."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        made.add_column(name, overflow="fold")
    return made


def kept_whole(made: Table, *names: str, width: int | None) -> Table:
    """Break no word of these columns, the first of them first, as far as that leaves something to the others."""
    columns = {str(column.header): column for column in made.columns}
    left = (width or 0) - 2 * (len(columns) - 1) - _LEAST_LEFT
    for name in names:
        lines = [line for cell in (name, *columns[name].cells) for line in str(cell).split("\n")]
        if (needed := max(map(len, lines))) <= left:
            columns[name].no_wrap = True
            left -= needed
    return made


def cells(*values: JsonValue, style: str = "") -> list[Text]:
    """The cells of a row, all in one style; a list has a line for each of its values."""
    from rich.text import Text

    return [Text(_cell(value), style=style) for value in values]


def _cell(value: JsonValue) -> str:
    if isinstance(value, list):
        return "\n".join(_cell(one) for one in value if one is not None)
    return "" if value is None else printable(compact_text(value))


def autonomy_reasons(reasons: Iterable[JsonValue]) -> list[JsonValue]:
    """Why autonomy is withheld, for a column that is headed by that word.

    The words without their common prefix fit a terminal of 80 columns unbroken, and are still found by a search.
    """
    return [compact_text(reason).removeprefix(_PREFIX) for reason in reasons if reason is not None]

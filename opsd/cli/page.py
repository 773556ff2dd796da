"""What the readable answers of all commands share: when there is one, its lines, and how it is printed.

The contract's JSON goes to pipes and files; a person at a terminal gets a page. What comes from a sprite or a document
is shown on it as text: nothing in it is obeyed by a terminal or taken for markup. Imports ``rich`` only where a page is
really made.
"""

from __future__ import annotations

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
_BETWEEN = " · "
_PREFIX = "autonomous_"
#: What columns that are kept whole have to leave for those that are not.
_LEAST_LEFT = 12


Page: TypeAlias = "Sequence[RenderableType]"


def for_a_person(arguments: Arguments) -> bool:
    """Whether the answer is read by a person: stdout is a terminal and ``--pretty`` did not ask for the document."""
    return sys.stdout.isatty() and not arguments.switch("--pretty")


def tell(arguments: Arguments, document: JsonValue, page: Callable[[], Page]) -> None:
    """Print a document: its page for a person, else as JSON."""
    if for_a_person(arguments):
        show(page())
    else:
        write_json(document, pretty=arguments.switch("--pretty"))


def as_typed(arguments: Arguments, *flags: str) -> list[str]:
    """Those of ``flags`` that were given, with their values: what a command that a page shows has to repeat."""
    return [part for flag in flags if (given := arguments.given(flag)) for part in (flag, given)]


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
    first, *others = said.split(_BETWEEN)
    lines = [first]
    for value in others:
        if lines[-1].cell_len + value.cell_len + len(_BETWEEN) + len(_BETWEEN.rstrip()) > width:
            lines[-1].append(_BETWEEN.rstrip())
            lines.append(value.copy())
            lines[-1].pad_left(4)
        else:
            lines[-1].append(_BETWEEN).append_text(value)
    return type(said)("\n").join(lines)


def line(name: str, *values: JsonValue, style: str = "") -> Text:
    """One line: what it is about, and what there is to say."""
    from rich.text import Text

    said = _BETWEEN.join(printable(compact_text(value)) for value in values if value not in (None, ""))
    return Text.assemble((f"{printable(name)}  ", "bold"), (said, style))


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

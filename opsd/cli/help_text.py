"""How a help text is laid out: on a terminal within its width, in a pipe or a file one line for each thing.

:mod:`textwrap` is imported only where a line is really wrapped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

#: A meaning that would have less room than this beside its name stands below it, as one does with too long a word.
_LEAST = 24
_BELOW = " " * 6


def columns_of_terminal() -> int | None:
    """The width of the terminal that stdout is, or what ``COLUMNS`` says of it; None where it is none."""
    if not sys.stdout.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def paragraphs(text: str, width: int | None) -> str:
    """Each line of ``text`` as a paragraph, with a final newline."""
    return "".join(_wrapped(line, width, "", "") + "\n" for line in text.splitlines())


def two_columns(rows: Iterable[tuple[str, str]], width: int | None, least: int = 0) -> str:
    """What there is, at least ``least`` wide, and what it means; with a final newline."""
    every: Sequence[tuple[str, str]] = list(rows)
    left = max([least, *(len(name) for name, _ in every)])
    return "".join(_row(name, meaning, left, width) for name, meaning in every)


def _row(name: str, meaning: str, left: int, width: int | None) -> str:
    head = f"  {name:<{left}}  "
    longest = max(map(len, meaning.split()), default=0)
    if width is not None and width - len(head) < max(_LEAST, longest):
        return f"  {name}\n{_wrapped(meaning, width, _BELOW, _BELOW)}\n"
    return _wrapped(meaning, width, head, " " * len(head)) + "\n"


def _wrapped(text: str, width: int | None, first: str, others: str) -> str:
    if width is None or len(first) + len(text) <= width:
        return first + text
    from textwrap import wrap

    lines = wrap(text, width - len(others), break_long_words=False, break_on_hyphens=False) or [""]
    return first + f"\n{others}".join(lines)

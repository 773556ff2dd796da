"""Markdown as the reference uses it: cells that cannot break a table, tables, a notice that a page is generated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `make docs` from the code; do not edit. -->"


def cell(text: str) -> str:
    """``text`` on one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """``text`` as code, nothing for an empty one."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """``text`` that may hold placeholders in angle brackets, which are no HTML."""
    return text.replace("<", "\\<")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, ending with a newline."""
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(cell(one) for one in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def page(title: str, *parts: str) -> str:
    """A whole document: title, notice, and its parts with a blank line between them."""
    return "\n\n".join([f"# {title}", GENERATED, *(part.strip("\n") for part in parts)]) + "\n"

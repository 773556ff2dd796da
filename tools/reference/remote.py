"""The part of ``docs/api.md`` about ``opsd --server``: which command asks which route, and what works on one host."""

from __future__ import annotations

from pathlib import Path

from opsd.cli.host_only import HOST_ONLY
from opsd.cli.main import table as command_table
from opsd.cli.remote.table import COMMANDS
from tools.reference.markdown import code, table

_BEGIN = "<!-- from here on written by python -m tools --write -->\n"
_END = "<!-- up to here -->\n"


def document(page: Path) -> str:
    """The page with that part as the tables say it."""
    head, _, rest = page.read_text().partition(_BEGIN)
    return f"{head}{_BEGIN}\n{_part()}\n{_END}{rest.partition(_END)[2]}"


def _part() -> str:
    rows = [
        (code(f"opsd {name}"), code(command.route), ", ".join(map(code, command.also)))
        for name, command in sorted(COMMANDS.items(), key=lambda item: _place(item[0]))
    ]
    kept = [(code(f"opsd {name}"), why) for name, why in HOST_ONLY.items()]
    return "\n".join(
        (
            table(("command", "route", "and, as its flags want it"), rows),
            "These work on the host where they are typed only, and say so:\n",
            table(("command", "because"), kept),
        )
    )


def _place(name: str) -> int:
    """In the order of ``opsd --help``; the actions of a command where it stands."""
    names = list(command_table())
    return next((number for number, one in enumerate(names) if f"{name} ".startswith(f"{one} ")), len(names))

"""The strict argument rules of every contract command (contract 10, 1.3; 20, 1.2).

``--flag value`` only: a value flag takes the next token verbatim, the last repetition wins, ``--help`` ends at
once, and anything unknown is refused after the usage text. Nothing is imported that a one-shot command would have
to pay for; :mod:`argparse` knows other rules (abbreviations, ``--flag=value``, values that may not begin with ``-``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from opsd.cli.help_text import columns_of_terminal, paragraphs, two_columns
from opsd.cli.host_only import HOST_ONLY
from opsd.contract.errors import UsageError
from opsd.contract.ids import parse_loop_id

#: More digits than any count has; also below the interpreter's own limit for the conversion.
_MAX_DIGITS = 4000


class Flag(NamedTuple):
    """One flag of a command: ``name`` with its dashes, what it means, and the value's placeholder ("" for a switch)."""

    name: str
    help: str
    value: str = ""


#: What the help of every command says that a daemon's API can do too; :mod:`opsd.cli.remote` takes the flag.
SERVER = Flag("--server", "through a daemon's API, not on this host: its URL or profile; default $OPSD_SERVER", "<url>")


class CommandSpec:
    """What a command accepts, and its usage text.

    Args:
        name: as a person types it, ``opsd snapshot``.
        summary: one sentence.
        flags: in the order of the usage text. ``--help`` and ``-h`` are always there.
        operand: placeholder of the one word that the command takes beside its flags, "" for none.
        exits: what exit codes mean where it is more than 0 for done and 1 for an error.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        flags: Sequence[Flag],
        *,
        operand: str = "",
        exits: Mapping[int, str] | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.flags = flags
        self.operand = operand
        self.exits = {0: "done", 1: "an error, told in one line"} | dict(exits or {})
        self._by_name = {flag.name: flag for flag in flags}

    def usage(self, width: int | None = None) -> str:
        """The text that ``--help`` prints, with its final newline; ``width`` is that of the terminal, if it is one."""
        flags = [*self.flags, *self._through_a_server()]
        rows = [(f"{flag.name} {flag.value}".rstrip(), flag.help) for flag in flags]
        rows.append(("--help, -h", "print this text"))
        name = f"{self.name} {self.operand}".rstrip()
        head = paragraphs(f"usage: {name} [--flag value ...]\n\n{self.summary}\n\n", width)
        return head + two_columns(rows, width)

    def parse(self, argv: Sequence[str]) -> Arguments:
        """The arguments, left to right.

        Raises:
            SystemExit: 0 after the usage text of ``--help``.
            UsageError: ``unknown argument: <arg>`` (the usage text is on stdout then), ``<flag> requires a value``.
        """
        values: dict[str, str] = {}
        every: dict[str, list[str]] = {}
        position = 0
        while position < len(argv):
            token = argv[position]
            position += 1
            if token in ("--help", "-h"):
                self._print_usage()
                raise SystemExit(0)
            flag = self._by_name.get(token)
            if flag is None and self.operand and self.operand not in values and not token.startswith("-"):
                values[self.operand] = token
                continue
            if flag is None:
                self._refuse(token)
            if not flag.value:
                values[token] = "true"
            elif position == len(argv):
                raise UsageError(f"{token} requires a value")
            else:
                values[token] = argv[position]
                every.setdefault(token, []).append(argv[position])
                position += 1
        return Arguments(self, values, every)

    def declares(self, flag: str) -> bool:
        """The command knows this flag."""
        return flag in self._by_name

    def _through_a_server(self) -> list[Flag]:
        return [] if self.name.removeprefix("opsd ") in HOST_ONLY else [SERVER]

    def _print_usage(self) -> None:
        sys.stdout.write(self.usage(columns_of_terminal()))
        sys.stdout.flush()

    def _refuse(self, token: str) -> NoReturn:
        self._print_usage()
        raise UsageError(f"unknown argument: {token}")


class Arguments:
    """What was given. Every accessor refuses a flag that the command does not declare (a mistake in the code)."""

    def __init__(self, spec: CommandSpec, values: dict[str, str], every: dict[str, list[str]]) -> None:
        self._spec = spec
        self._values = values
        self._every = every

    def given(self, flag: str) -> str | None:
        """The value as it stands, None when the flag was not given; an empty value stays empty."""
        if not self._spec.declares(flag):
            raise KeyError(f"{self._spec.name} has no flag {flag}")
        return self._values.get(flag)

    def all(self, flag: str) -> list[str]:
        """Every value of a flag that may be repeated, in order; none when it was not given."""
        return [] if self.given(flag) is None else self._every[flag]

    def operand(self) -> str | None:
        """The word that was given beside the flags, None when there was none."""
        return self._values.get(self._spec.operand)

    def switch(self, flag: str) -> bool:
        """True when the switch was given."""
        return self.given(flag) is not None

    def pretty(self) -> bool:
        """True when ``--pretty`` was given; a command that does not take it never prints a document so."""
        return self._spec.declares("--pretty") and self.switch("--pretty")

    def optional(self, flag: str, env: str = "") -> str | None:
        """A path, id, token or text: empty counts as not given; then the non-empty environment variable ``env``."""
        return self.given(flag) or (os.environ.get(env) if env else None) or None

    def required(self, flag: str) -> str:
        """A value that must be there.

        Raises:
            UsageError: ``<flag> is required``, also for an empty value.
        """
        value = self.given(flag)
        if not value:
            raise UsageError(f"{flag} is required")
        return value

    def non_negative(self, flag: str, default: int, message: str = "") -> int:
        """An integer >= 0; an empty value is a bad one.

        Raises:
            UsageError: ``message``, by default ``<flag> must be a non-negative integer``.
        """
        value = self.given(flag)
        if value is None:
            return default
        return require_non_negative_int(value, message or f"{flag} must be a non-negative integer")

    def positive(self, flag: str, default: int, message: str = "") -> int:
        """An integer >= 1, otherwise like :meth:`non_negative`; the message is ``<flag> must be an integer >= 1``."""
        value = self.given(flag)
        if value is None:
            return default
        return require_positive_int(value, message or f"{flag} must be an integer >= 1")

    def choice(self, flag: str, default: str, choices: Sequence[str], message: str) -> str:
        """One of ``choices``; an empty value is a bad one.

        Raises:
            UsageError: ``message``.
        """
        value = self.given(flag)
        if value is None:
            return default
        if value not in choices:
            raise UsageError(message)
        return value


def refuse_control_characters(flag: str, value: str) -> None:
    """Refuse what would break out of a header (contract 30, weakness 21).

    Raises:
        UsageError: ``value`` holds a control character.
    """
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise UsageError(f"{flag} must not hold control characters")


def require_non_negative_int(text: str, message: str) -> int:
    """One or more ASCII digits, read as decimal (``010`` is ten).

    Raises:
        UsageError: ``message`` for anything else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise UsageError(message)
    return int(text)


def require_positive_int(text: str, message: str) -> int:
    """Like :func:`require_non_negative_int`, but 0 is refused too."""
    number = require_non_negative_int(text, message)
    if number < 1:
        raise UsageError(message)
    return number


def loop_of(arguments: Arguments) -> str:
    """The loop that was named.

    Raises:
        OpsError: none, or no loop's name.
    """
    return parse_loop_id(arguments.required("--loop"), reserved=True)

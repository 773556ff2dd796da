"""``docs/reference/commands.md``: every command, its flags and exit codes.

Most commands declare a :class:`CommandSpec`; the others build an :mod:`argparse` parser, which is caught when they are
about to use it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from unittest import mock

from opsd.cli.arguments import CommandSpec
from opsd.cli.main import load
from opsd.cli.main import table as command_table
from opsd.cli.remote.table import COMMANDS as REMOTE
from sprite_service.main import parser as sprite_parser
from tools.reference.environment import VARIABLES
from tools.reference.markdown import code, page, prose, table

_SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

_INTRO = """Successful commands write nothing to standard error. What goes wrong is one line, `error: …`, and exit
code 1 unless a command says otherwise; a command that was interrupted ends with 130. Flags of commands with a
*contract name* are strict: `--flag value`, the last repetition wins, nothing is abbreviated. The script of that
name in `scripts/` is the same command. `--help` prints what stands here.

To a pipe or file a command prints its document, or its lines. A terminal gets a readable page, unless `--pretty` asks
for the document; what a command without that flag prints can be seen through `| cat`."""

#: What the commands with an argparse parser end with.
_PLAIN = {0: "done", 1: "an error, told in one line", 2: "flags that cannot be used"}
_EXITS: dict[str, dict[int, str]] = {
    "run": {0: "ended by SIGTERM or SIGINT", 1: "it cannot start", 2: "flags that cannot be used"},
    "ping": {0: "ready", 1: "not ready, or nobody answers", 2: "flags that cannot be used"},
    "demo": {0: "ended, or every loop arrived", 1: "a loop did not arrive", 2: "flags that cannot be used"},
    "config check": {0: "the daemon could start", 1: "a line for each fault", 2: "flags that cannot be used"},
}
_OF_SPRITE = {
    0: "ended by SIGTERM or SIGINT; with --ping: ready",
    1: "it cannot start; with --ping: not ready",
    2: "options that cannot be used",
}


@dataclass(slots=True)
class Usage:
    """What one command accepts; ``flags`` as ``(flag with its value, meaning)``."""

    name: str
    summary: str
    flags: list[tuple[str, str]]
    exits: dict[int, str]
    takes_settings: bool = False
    operand: str = ""
    doors: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)


class _CaughtError(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def document() -> str:
    """The page."""
    every = [*commands(), _sprite_service()]
    rows = [(f"[`{one.name}`](#{_anchor(one.name)})", _sentence(one.summary.splitlines()[0])) for one in every]
    sections = [_section(one) for one in every]
    variables = table(("variable", "read by", "meaning"), [(code(v.name), v.where, v.meaning) for v in VARIABLES])
    return page(
        "Commands",
        _INTRO,
        table(("command", "what it does"), rows),
        *sections,
        "## Environment\n\nBeside the [settings of the daemon](settings.md):",
        variables,
    )


def commands() -> Iterator[Usage]:
    """Every command of ``opsd`` in the order of ``opsd --help``, once."""
    doors = _doors()
    for name, (target, summary) in command_table().items():
        for usage in _usages(name, target, summary) if summary else ():
            usage.doors = doors.get(name, [])
            usage.aliases = [alias for alias, (same, text) in command_table().items() if same == target and not text]
            yield usage


def _usages(name: str, target: str, summary: str) -> list[Usage]:
    command = load(target)
    specs = [value for value in vars(sys.modules[target.partition(":")[0]]).values() if isinstance(value, CommandSpec)]
    own = [spec for spec in specs if f"{spec.name} ".startswith(f"opsd {name} ")]
    if own:
        return [
            Usage(
                spec.name,
                spec.summary,
                [(f"{flag.name} {flag.value}".rstrip(), flag.help) for flag in spec.flags],
                spec.exits,
                operand=spec.operand,
            )
            for spec in own
        ]
    exits = _EXITS.get(name, _PLAIN)
    parser = _caught(command)
    if parser is None:  # it takes no flags at all
        return [Usage(f"opsd {name}", summary, [], {0: "done", 1: "an error, told in one line"})]
    return list(_of_parser(parser, f"opsd {name}", summary, exits))


def _caught(command: object) -> argparse.ArgumentParser | None:
    def catch(self: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        raise _CaughtError(self)

    assert callable(command)
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", catch),
        mock.patch("sys.stdout"),
        suppress(ValueError),
    ):
        try:
            command([])
        except _CaughtError as caught:
            return caught.parser
    return None


def _of_parser(parser: argparse.ArgumentParser, name: str, summary: str, exits: dict[int, str]) -> Iterator[Usage]:
    actions = [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]
    members = [one for one in actions if isinstance(one, argparse._SubParsersAction)]
    for member in members:
        texts = {choice.dest: choice.help or "" for choice in member._choices_actions}
        for word, inner in member.choices.items():
            yield from _of_parser(inner, f"{name} {word}", texts.get(word, summary), exits)
    if members:
        return
    settings = [one for one in actions if one.dest.startswith("setting:")]
    flags = [
        (" ".join([*one.option_strings, _placeholder(one)]).strip(), (one.help or "").replace("%%", "%"))
        for one in actions
        if one not in settings and one.help is not argparse.SUPPRESS
    ]
    yield Usage(name, parser.description or summary, flags, exits, takes_settings=bool(settings))


def _placeholder(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    name = action.metavar or action.dest
    return f"<{name.lower() if isinstance(name, str) else 'value'}>"


def _sprite_service() -> Usage:
    parser = sprite_parser()
    usage = next(_of_parser(parser, "sprite-service", "the in-VM service", _OF_SPRITE))
    usage.doors = ["ops-manager-sprite-service.py"]
    return usage


def _doors() -> dict[str, list[str]]:
    """The contract's names by the command that they stand for."""
    found: dict[str, list[str]] = {}
    for script in sorted(_SCRIPTS.glob("*.sh")):
        match = re.search(r"^opsd_command='?([a-z -]+?)'?$", script.read_text(), re.MULTILINE)
        if match:
            found.setdefault(match[1], []).append(script.name)
    return found


def _section(usage: Usage) -> str:
    parts = [f"## {usage.name}", *map(_sentence, usage.summary.splitlines())]
    if usage.operand:
        parts.append(f"Takes one word beside its flags: {code(usage.operand)}.")
    if usage.doors:
        parts.append(f"Contract name: {', '.join(map(code, usage.doors))}.")
    if usage.aliases:
        parts.append(f"Also {', '.join(code(f'opsd {alias}') for alias in usage.aliases)}.")
    if usage.name.removeprefix("opsd ") in REMOTE:
        parts.append("Works through the [API](../api.md) with `--server`.")
    if usage.flags:
        parts.append(table(("flag", "meaning"), [(code(flag), prose(text)) for flag, text in usage.flags]).rstrip("\n"))
    if usage.takes_settings:
        parts.append("And a flag for every [setting](settings.md) that is no secret.")
    exits: Sequence[str] = [f"{number}: {text}" for number, text in sorted(usage.exits.items())]
    parts.append(f"Exit codes: {'; '.join(exits)}.")
    return "\n\n".join(parts)


def _sentence(text: str) -> str:
    return prose(f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else "."))


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")

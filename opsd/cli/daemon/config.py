"""``opsd config show | check``: what the daemon would run with, and whether it would start.

``show`` prints every setting, its value and where it came from; a secret that is set is shown as ``********``.
``check`` exits 0, or 1 with ``error: <where>: <key>: <what>`` for every fault. Both read exactly the sources that
``opsd run`` reads and take the same flags. With ``--server`` they ask a daemon what is in force, and whether a reload
would succeed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.daemon.settings_flags import add_settings_flags, collect_flags
from opsd.cli.output import write_json
from opsd.contract.values import printable
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor.settings.load import LoadedSettings, SettingsError, load_settings
from opsd.supervisor.settings.view import check_settings, shown_settings

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject, JsonValue

SHOW_TEXT = "Prints every setting, its value and its origin; secrets are masked."
CHECK_TEXT = "Exit 0 when the daemon could start with these settings."
JSON_TEXT = "one JSON document instead of a table"


def show(argv: Sequence[str]) -> int:
    """Print the settings. ``argv`` is what follows ``opsd config show``; the result is the exit code."""
    parser = _parser("show", SHOW_TEXT)
    parser.add_argument("--json", action="store_true", help=JSON_TEXT)
    arguments = parser.parse_args(argv)
    try:
        document = shown_settings(_load(arguments)[0])
    except SettingsError as error:
        return _complain(error.problems)
    print_settings(document, as_json=arguments.json)
    return 0


def check(argv: Sequence[str]) -> int:
    """Check the settings and the tokens they name. ``argv`` is what follows ``opsd config check``."""
    arguments = _parser("check", CHECK_TEXT).parse_args(argv)
    return print_check(check_settings(lambda: _load(arguments)))


def print_settings(document: JsonObject, *, as_json: bool) -> None:
    """The settings as a table, or as the document."""
    if as_json:
        write_json(document, pretty=True)
    else:
        print(_as_table(document))


def print_check(document: JsonObject) -> int:
    """What a check has found; the exit code."""
    if not document["usable"]:
        return _complain(document["problems"])
    print(f"ok: {printable(str(document['configFile'] or 'no configuration file'))}")
    for key in document.get("needsRestart", ()):
        print(f"takes effect at the next start only: {printable(str(key))}")
    return 0


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"opsd config {name}", description=text, allow_abbrev=False)
    add_settings_flags(parser, can_ask=True)
    return parser


def _load(arguments: argparse.Namespace) -> tuple[LoadedSettings, CredentialEnvironment]:
    env = CredentialEnvironment(os.environ)
    return load_settings(collect_flags(arguments), env, arguments.config), env


def _complain(problems: Sequence[JsonValue]) -> int:
    for problem in problems:
        print(f"error: {printable(str(problem))}", file=sys.stderr)
    return 1


def _as_table(document: JsonObject) -> str:
    rows = [("setting", "value", "origin")]
    for one in document["settings"]:
        origin = f"{one['origin']} {one['originName'] or ''}".strip()
        rows.append((printable(str(one["key"])), printable(_cell(one["value"])), printable(origin)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for key, value, origin in rows)


def _cell(value: JsonValue) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)

"""``opsd config show | check``: what the daemon would run with, and whether it would start.

``show`` prints every setting, its value and where it came from; a secret that is set is shown as ``********``.
``check`` exits 0, or 1 with ``error: <where>: <key>: <what>`` for every fault. Both read exactly the sources that
``opsd run`` reads and take the same flags.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from opsd.cli.settings_flags import add_settings_flags, collect_flags
from opsd.contract import jsoncodec
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor.settings import LoadedSettings, SettingsError, load_settings
from opsd.supervisor.tokens import api_token, service_token

MASK = "********"


def show(argv: Sequence[str]) -> int:
    """Print the settings. ``argv`` is what follows ``opsd config show``; the result is the exit code."""
    parser = _parser("show", "Print every setting, its value and its origin; secrets are masked.")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    arguments = parser.parse_args(argv)
    loaded = _load(arguments)
    if loaded is None:
        return 1
    print(_as_json(loaded) if arguments.json else _as_table(loaded))
    return 0


def check(argv: Sequence[str]) -> int:
    """Check the settings and the tokens they name. ``argv`` is what follows ``opsd config check``."""
    arguments = _parser("check", "Exit 0 when the daemon could start with these settings.").parse_args(argv)
    loaded = _load(arguments)
    if loaded is None:
        return 1
    try:
        api_token(loaded.settings)
        service_token(loaded.settings, CredentialEnvironment(os.environ), None)
    except SettingsError as error:
        return _complain(error)
    print(f"ok: {loaded.config_file or 'no configuration file'}")
    return 0


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"opsd config {name}", description=text, allow_abbrev=False)
    add_settings_flags(parser)
    return parser


def _load(arguments: argparse.Namespace) -> LoadedSettings | None:
    try:
        return load_settings(collect_flags(arguments), CredentialEnvironment(os.environ), arguments.config)
    except SettingsError as error:
        _complain(error)
        return None


def _complain(error: SettingsError) -> int:
    for problem in error.problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK
    return str(value) if isinstance(value, Path) else value


def _as_json(loaded: LoadedSettings) -> str:
    document = {
        "configFile": str(loaded.config_file) if loaded.config_file else None,
        "settings": [
            {"key": key, "value": _plain(value), "origin": origin.kind, "originName": origin.name or None}
            for key, value, origin in loaded.items()
        ],
    }
    return jsoncodec.dumps_pretty(document).decode()


def _as_table(loaded: LoadedSettings) -> str:
    rows = [("setting", "value", "origin")]
    rows += [(key, _cell(_plain(value)), str(origin)) for key, value, origin in loaded.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for key, value, origin in rows)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)

"""One flag per setting, for every command that takes settings.

The flags are made from the model, so that none is forgotten: ``http.port`` is ``--http-port``, its help is the
field's own text. Secrets get no flag: a command line is visible to every user of the host.
"""

from __future__ import annotations

import argparse

from opsd.cli.arguments import SERVER, CommandSpec, Flag
from opsd.supervisor.settings.load import flag_name, is_secret, setting_fields

_DEST = "setting:"
_ELSEWHERE = "not with --server"


def add_settings_flags(parser: argparse.ArgumentParser, *, can_ask: bool = False) -> None:
    """Add ``--config`` and one flag for every setting that is not a secret.

    A command that ``can_ask`` a server says so behind its flags; :mod:`opsd.cli.remote` takes that one.
    """
    if can_ask:
        parser.epilog = f"{SERVER.name} {SERVER.value}: {SERVER.help}"
    parser.usage = "%(prog)s [--flag value ...]"  # all of them by name would fill a terminal before the first is told
    parser.add_argument("--config", metavar="FILE", help="TOML file. Default: $OPSD_CONFIG, else /etc/opsd/opsd.toml")
    group = parser.add_argument_group("settings", "stand over the environment, the file and the defaults")
    for key, field in setting_fields().items():
        if not is_secret(field):
            text = (field.description or "").replace("%", "%%").replace("`", "")
            group.add_argument(flag_name(key), dest=_DEST + key, metavar="VALUE", help=text)


def settings_spec(name: str, summary: str, *own: Flag) -> CommandSpec:
    """The same flags under the contract's rules: for the command as a client, which has to know what it refuses."""
    settings = [flag_name(key) for key, field in setting_fields().items() if not is_secret(field)]
    refused = [Flag("--config", _ELSEWHERE, "<file>"), *(Flag(flag, _ELSEWHERE, "<setting>") for flag in settings)]
    return CommandSpec(name, summary, (*own, *refused))


def collect_flags(arguments: argparse.Namespace) -> dict[str, object]:
    """What was given, by dotted key: the ``flags`` of :func:`opsd.supervisor.settings.load.load_settings`."""
    return {
        name.removeprefix(_DEST): value
        for name, value in vars(arguments).items()
        if name.startswith(_DEST) and value is not None
    }

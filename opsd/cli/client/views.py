"""What the commands share that show what a running daemon knows: whom they ask, and how.

Such a command asks the daemon of this host, where the settings say that it listens, or the one that ``--server`` names
(:mod:`opsd.cli.remote.views`). Either way it does the same, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.client.api_client import Server, as_promised, server_of

CONFIG = Flag("--config", "settings of this host's daemon; default $OPSD_CONFIG, else /etc/opsd/opsd.toml", "<file>")
PRETTY = Flag("--pretty", "the document, indented by two spaces")

#: The end of every such command's summary.
WHOM = "Asks the daemon of this host, or with --server another one."


@dataclass(frozen=True, slots=True)
class Asked:
    """The daemon that is asked; ``flags`` name it in the commands that a page shows."""

    server: Server
    flags: tuple[str, ...]


View = Callable[[Arguments, Asked], int]
"""Asks, and prints what it was told; the exit code."""


def asked_by_name(named: str) -> Asked:
    """The daemon that ``--server`` names, by address or profile.

    Raises:
        UsageError: there is none of this name, or its token cannot be read or must not be sent there.
    """
    return Asked(server_of(named, os.environ), ("--server", named))


def of_this_host(spec: CommandSpec, view: View) -> Callable[[Sequence[str]], int]:
    """The command that runs a view over the daemon of this host; it raises OpsError as views do."""

    def main(argv: Sequence[str]) -> int:
        # The settings are much to import: not where a server is named.
        from opsd.cli.client.this_host import daemon_url

        arguments = spec.parse(argv)
        return perform(view, arguments, daemon_url(arguments.optional("--config")))

    return main


def perform(view: View, arguments: Arguments, named: str) -> int:
    """Ask the daemon that is named by address or profile; the exit code.

    Raises:
        OpsError: there is no such daemon, no answer, none of this API, or a refusal.
    """
    asked = asked_by_name(named)
    with as_promised(asked.server):
        return view(arguments, asked)

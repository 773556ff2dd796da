"""Running a command through a server: which server is meant, and which flags mean nothing to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from opsd.cli.arguments import Flag
from opsd.cli.client.api_client import SERVER_VARIABLE
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.refusals import command_refusal, flag_refusal, flags_of_this_host
from opsd.cli.remote.table import COMMANDS
from opsd.contract.errors import UsageError


def split_server(argv: Sequence[str], takes_value: Callable[[str], bool]) -> tuple[str | None, list[str]]:
    """The value of ``--server``, and the arguments without it. What stands where a flag's value does is one.

    Raises:
        UsageError: the flag has no value.
    """
    rest: list[str] = []
    found: str | None = None
    tokens = iter(argv)
    for token in tokens:
        if token == "--server":  # noqa: S105 - a flag
            found = next(tokens, "")
            if not found:
                raise UsageError("--server requires a value")
            continue
        rest.append(token)
        if takes_value(token):
            rest += [value for value in (next(tokens, None),) if value is not None]
    return found, rest


def wanted_server(name: str, argv: Sequence[str], env: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """Which server a command asks, None for this host; and its other arguments.

    The variable counts for commands that can ask one, unless a flag says that this host is meant: ``--repo``, or where
    there is none a flag that names another file of this host.

    Raises:
        UsageError: the command cannot, or both a server and a repo were named.
    """
    flags = spec_of(COMMANDS[name].spec).flags if name in COMMANDS else ()
    valued = {flag.name for flag in flags if flag.value}
    named, rest = split_server(argv, valued.__contains__ if name in COMMANDS else lambda token: token[:1] == "-")
    given = {token.partition("=")[0] for token in rest}
    if named is None:
        default = env.get(SERVER_VARIABLE) or None
        return (default if name in COMMANDS and not given & flags_of_this_host(flags) else None), rest
    if name not in COMMANDS:
        raise UsageError(command_refusal(name))
    if "--repo" in given:
        raise UsageError(flag_refusal(Flag("--repo", ""), "--server"))
    return named, rest


def run(name: str, argv: Sequence[str], named: str) -> int:
    """Ask the server, print what the command would; its exit code.

    Raises:
        OpsError: bad arguments, or what :meth:`ServerCommand.perform` raises.
    """
    command = COMMANDS[name]
    spec = spec_of(command.spec)
    arguments = spec.parse(argv)
    means = SERVER_VARIABLE if named == os.environ.get(SERVER_VARIABLE) else "--server"
    meant = {*command.flags, "--pretty"}
    for flag in spec.flags:
        if arguments.given(flag.name) is not None and flag.name not in meant:
            raise UsageError(flag_refusal(flag, means))
    return command.perform(arguments, named)

"""Running a command through a server: which one is meant, the request, and what is printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from opsd.api.failure import ErrorCode
from opsd.cli.arguments import Arguments, Flag
from opsd.cli.client.api_client import (
    SERVER_VARIABLE,
    ApiRequest,
    Server,
    answer_of,
    as_promised,
    ask,
    refusal,
    server_of,
)
from opsd.cli.output import write_error, write_json
from opsd.cli.page import for_a_person
from opsd.cli.remote.command import RemoteCommand, present_of, spec_of
from opsd.cli.remote.refusals import command_refusal, flag_refusal, flags_of_this_host
from opsd.cli.remote.table import COMMANDS
from opsd.cli.remote.views import ViewCommand
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get


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
        OpsError: bad arguments, no answer, or a refusal.
    """
    command = COMMANDS[name]
    spec = spec_of(command.spec)
    arguments = spec.parse(argv)
    means = SERVER_VARIABLE if named == os.environ.get(SERVER_VARIABLE) else "--server"
    meant = {*command.flags, "--pretty"}
    for flag in spec.flags:
        if arguments.given(flag.name) is not None and flag.name not in meant:
            raise UsageError(flag_refusal(flag, means))
    if isinstance(command, ViewCommand):
        return command.perform(arguments, named)
    server = server_of(named, os.environ)
    if command.talk is not None:
        with as_promised(server):
            ended = command.talk(arguments, partial(answer_of, server), ("--server", named))
        if ended is not None:
            return ended
    request = command.request(arguments)
    with as_promised(server):
        _status, document = ask(server, request)
        if document["ok"] is not True:
            return _refused(command, document, arguments, ("--server", named))
        if command.further and for_a_person(arguments):
            document = {**document, **_further(server, command.further)}
        shown, code = command.answer(document) if command.answer is not None else (document[command.member], 0)
        _present(command, arguments, shown, ("--server", named))
        return int(code)


def _refused(command: RemoteCommand, document: JsonObject, arguments: Arguments, place: Sequence[str]) -> int:
    """What the server said instead; where it has a document to say it with, that is printed like any other."""
    if not isinstance(document.get("result"), dict):
        raise refusal(document)
    if get(document, "error", "code") == ErrorCode.COMMAND_FAILED:  # others say all of it in their document
        write_error(f"error: {refusal(document).message}")
    _present(command, arguments, document["result"], place)
    code = document.get("exitCode")
    return code if isinstance(code, int) and 0 < code < 256 else 1  # a refusal is never a success


def _further(server: Server, requests: Mapping[str, ApiRequest]) -> JsonObject:
    found: JsonObject = {}
    for member, request in requests.items():
        _status, document = ask(server, request)
        if document["ok"] is True:
            found[member] = document[member]
        elif get(document, "error", "code") != ErrorCode.NOT_FOUND:
            raise refusal(document)
    return found


def _present(command: RemoteCommand, arguments: Arguments, shown: JsonValue, place: Sequence[str]) -> None:
    if command.present:
        present_of(command.present)(arguments, shown, place)
    else:
        write_json(shown, pretty=arguments.pretty())

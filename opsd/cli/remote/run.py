"""Running a command through a server: which one is meant, the request, and what is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from opsd.api.failure import ErrorCode
from opsd.cli.api_client import SERVER_VARIABLE, answer_of, ask, refusal, server_of
from opsd.cli.output import write_json
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.table import COMMANDS
from opsd.cli.remote.views import ViewCommand
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonValue
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

    The variable counts for commands that can ask one, unless ``--repo`` says that this host's files are meant.

    Raises:
        UsageError: the command cannot, or both a server and a repo were named.
    """
    known = COMMANDS.get(name)
    valued = {flag.name for flag in spec_of(known.spec).flags if flag.value} if known is not None else set()
    named, rest = split_server(argv, valued.__contains__ if known is not None else lambda token: token[:1] == "-")
    if named is None:
        default = env.get(SERVER_VARIABLE) or None
        return (default if name in COMMANDS and "--repo" not in rest else None), rest
    if name not in COMMANDS:
        raise UsageError(f"opsd {name} works on this host only: --server cannot be used with it")
    if "--repo" in rest:
        raise UsageError("--repo cannot be combined with --server")
    return named, rest


def run(name: str, argv: Sequence[str], named: str) -> int:
    """Ask the server, print the document; the command's exit code.

    Raises:
        OpsError: bad arguments, no answer, or a refusal.
    """
    command = COMMANDS[name]
    spec = spec_of(command.spec)
    arguments = spec.parse(argv)
    for flag in spec.flags:
        if arguments.given(flag.name) is not None and flag.name not in (*command.flags, "--pretty"):
            raise UsageError(f"{flag.name} cannot be combined with --server")
    if isinstance(command, ViewCommand):
        return command.perform(arguments, named)
    server = server_of(named, os.environ)
    if command.talk is not None:
        ended = command.talk(arguments, partial(answer_of, server))
        if ended is not None:
            return ended
    _status, document = ask(server, command.request(arguments))
    if document["ok"] is not True:
        if not isinstance(document.get("result"), dict):
            raise refusal(document)
        if get(document, "error", "code") == ErrorCode.COMMAND_FAILED:  # others say all of it in their document
            sys.stderr.write(f"error: {refusal(document).message}\n")
        shown: JsonValue = document["result"]
        code = document.get("exitCode", 1)
    elif command.answer is not None:
        shown, code = command.answer(document)
    else:
        shown, code = document.get(command.member), 0
    write_json(shown, pretty=spec.declares("--pretty") and arguments.switch("--pretty"))
    return int(code)

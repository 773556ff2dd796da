"""A command as a client of the API: which route it asks, with which flags, and what it prints of the answer.

A model of the API is named, as a spec is, and imported by the command that is called: most have none, and pydantic
takes longer to import than the server to answer. Commands that are made of a model: :mod:`opsd.cli.remote.by_model`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from opsd.api.failure import ErrorCode
from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import ApiRequest, Server, answer_of, as_promised, ask, refusal, server_of
from opsd.cli.output import write_error, write_json
from opsd.cli.page import for_a_person
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get

Answered = tuple[JsonValue, int]
"""What is printed, and the exit code."""

Ask = Callable[[ApiRequest], JsonObject]
"""Asks the server that was named; raises :class:`OpsError` for a refusal."""

Present = Callable[[Arguments, JsonValue, Sequence[str]], object]
"""Prints a document as the command on the host does: a page for a person, else JSON; the commands that a page shows
repeat the flags that it is given."""


class ServerCommand(Protocol):
    """What can be asked of a server."""

    @property
    def spec(self) -> str:
        """``module:NAME`` of its :class:`CommandSpec`."""
        ...

    @property
    def route(self) -> str:
        """Method and path of the API, for people and for the test that looks whether there is such a route."""
        ...

    @property
    def also(self) -> tuple[str, ...]:
        """Other routes that some flags ask, for people and for tests like ``route``."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """Those that mean something to the server; ``--pretty`` always does."""
        ...

    def perform(self, arguments: Arguments, named: str) -> int:
        """Ask the server that is named by address or profile, and print what it says; the exit code.

        Raises:
            OpsError: bad arguments, no such server, no answer, none of this API, or a refusal.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """One that prints what the command on the host does: the answer to one request.

    Args:
        spec: ``module:NAME`` of its :class:`CommandSpec`.
        route, also: see :class:`ServerCommand`.
        own_flags: those that mean something to the server, beside the fields of the ``model``.
        request: what is asked.
        member: of the answer, printed as it is where there is no ``answer``.
        answer: what the command prints of a success, and its exit code.
        present: ``module:function`` of the :data:`Present` that prints it; "" for what is JSON for everybody.
        further: what a page is made of beside the answer, by the name under which it is put there; asked for a person
            only, and left out where the server has no such thing.
        talk: for a command that asks more than once: does all of it, and repeats the flags that name the server in the
            commands that a page shows; the exit code, None to go on as usual.
        model: ``module:Name`` of what the route takes, whose fields are flags; "" for a command that reads its flags
            itself.
    """

    spec: str
    route: str
    own_flags: tuple[str, ...]
    request: Callable[[Arguments], ApiRequest]
    member: str = ""
    answer: Callable[[JsonObject], Answered] | None = None
    present: str = ""
    further: Mapping[str, ApiRequest] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    talk: Callable[[Arguments, Ask, Sequence[str]], int | None] | None = None
    model: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of its own, and those that are fields of its model."""
        return (*fields_by_flag(self.model), *self.own_flags) if self.model else self.own_flags

    def perform(self, arguments: Arguments, named: str) -> int:
        """See :meth:`ServerCommand.perform`."""
        server, place = server_of(named, os.environ), ("--server", named)
        if self.talk is not None:
            with as_promised(server):
                ended = self.talk(arguments, partial(answer_of, server), place)
            if ended is not None:
                return ended
        request = self.request(arguments)
        with as_promised(server):
            _status, document = ask(server, request)
            if document["ok"] is not True:
                return self._refused(document, arguments, place)
            if self.further and for_a_person(arguments):
                document = {**document, **_further(server, self.further)}
            shown, code = self.answer(document) if self.answer is not None else (document[self.member], 0)
            self._present(arguments, shown, place)
            return int(code)

    def _refused(self, document: JsonObject, arguments: Arguments, place: Sequence[str]) -> int:
        """What the server said instead; where it has a document to say it with, that is printed like any other."""
        if not isinstance(document.get("result"), dict):
            raise refusal(document)
        if get(document, "error", "code") == ErrorCode.COMMAND_FAILED:  # others say all of it in their document
            write_error(f"error: {refusal(document).message}")
        self._present(arguments, document["result"], place)
        code = document.get("exitCode")
        return code if isinstance(code, int) and 0 < code < 256 else 1  # a refusal is never a success

    def _present(self, arguments: Arguments, shown: JsonValue, place: Sequence[str]) -> None:
        if self.present:
            present_of(self.present)(arguments, shown, place)
        else:
            write_json(shown, pretty=arguments.pretty())


def _further(server: Server, requests: Mapping[str, ApiRequest]) -> JsonObject:
    found: JsonObject = {}
    for member, request in requests.items():
        _status, document = ask(server, request)
        if document["ok"] is True:
            found[member] = document[member]
        elif get(document, "error", "code") != ErrorCode.NOT_FOUND:
            raise refusal(document)
    return found


def spec_of(target: str) -> CommandSpec:
    """The spec that ``module:NAME`` means."""
    found: CommandSpec = named_object(target)
    return found


def present_of(target: str) -> Present:
    """The function that ``module:function`` means."""
    found: Present = named_object(target)
    return found


def named_object(target: str) -> Any:
    """What ``module:attribute`` means; the module is imported."""
    module_name, _, attribute = target.partition(":")
    return getattr(import_module(module_name), attribute)


def fields_by_flag(model: str) -> Mapping[str, str]:
    """The fields of the model that is named, by their flags."""
    from opsd.api import flags

    return flags.fields_by_flag(named_object(model))

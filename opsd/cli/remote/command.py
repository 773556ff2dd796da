"""A command as a client of the API: which route it asks, with which flags, and what it prints of the answer.

A model of the API is named, as a spec is, and imported by the command that is called: most have none, and pydantic
takes longer to import than the server to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from opsd.cli.arguments import Arguments, CommandSpec, loop_of
from opsd.cli.client.api_client import ApiRequest, get_request, loop_path
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject, JsonValue

Answered = tuple[JsonValue, int]
"""What is printed, and the exit code."""

Ask = Callable[[ApiRequest], JsonObject]
"""Asks the server that was named; raises :class:`OpsError` for a refusal."""

Present = Callable[[Arguments, JsonValue, Sequence[str]], object]
"""Prints a document as the command on the host does: a page for a person, else JSON; the commands that a page shows
repeat the flags that it is given."""


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """One command.

    Args:
        spec: ``module:NAME`` of its :class:`CommandSpec`.
        route: method and path of the API, for people and for the test that looks whether there is such a route.
        own_flags: those that mean something to the server, beside the fields of the ``model``.
        request: what is asked.
        member: of the answer, printed as it is where there is no ``answer``.
        answer: what the command prints of a success, and its exit code.
        present: ``module:function`` of the :data:`Present` that prints it; "" for what is JSON for everybody.
        further: what a page is made of beside the answer, by the name under which it is put there; asked for a person
            only, and left out where the server has no such thing.
        also: other routes that some flags ask, for people and for tests like ``route``.
        talk: for a command that asks more than once: does all of it, and repeats the flags that name the
            server in the commands that a page shows; the exit code, None to go on as usual.
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
        """Those that mean something to the server; ``--pretty`` always does."""
        return (*_fields_by_flag(self.model), *self.own_flags) if self.model else self.own_flags


def spec_of(target: str) -> CommandSpec:
    """The spec that ``module:NAME`` means."""
    found: CommandSpec = _named(target)
    return found


def present_of(target: str) -> Present:
    """The function that ``module:function`` means."""
    found: Present = _named(target)
    return found


def _named(target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    return getattr(import_module(module_name), attribute)


def _fields_by_flag(model: str) -> Mapping[str, str]:
    from opsd.api.flags import fields_by_flag

    return fields_by_flag(_named(model))


def query_command(
    spec: str,
    path: str,
    model: str,
    member: str,
    *,
    answer: Callable[[JsonObject], Answered] | None = None,
    present: str = "",
) -> RemoteCommand:
    """A command that reads about one loop, and whose flags are the parameters of a route's query."""

    def request(arguments: Arguments) -> ApiRequest:
        known = _fields_by_flag(model)
        given = {name: text for flag, name in known.items() if (text := arguments.given(flag)) is not None}
        return get_request(loop_path(loop_of(arguments), path.removeprefix("/loops/{loop}")), **given)

    return RemoteCommand(spec, f"GET {path}", ("--loop",), request, member, answer, present, model=model)


def _operand(spec: str, arguments: Arguments) -> str:
    word = arguments.operand()
    if not word:
        raise UsageError(f"one word is required: {spec_of(spec).operand}")
    return word


def process_command(spec: str, path: str, model: str, *, keyed: bool = False, present: str = "") -> RemoteCommand:
    """A command whose flags, and operand, are the fields of a route's body (:mod:`opsd.api.command_route`).

    Args:
        path: with ``{loop}`` where the command has ``--loop``.
        keyed: the route takes a key; the command's own is used where one is given.
    """
    flags = (*(("--loop",) if "{loop}" in path else ()), *(("--idempotency-key",) if keyed else ()))

    def request(arguments: Arguments) -> ApiRequest:
        from opsd.api.flags import body_of, kind_of, operand_of

        body_model, known = _named(model), _fields_by_flag(model)
        operand = operand_of(body_model)
        given = [flag for flag in known if arguments.given(flag) is not None]
        values = {flag: [] if kind_of(body_model, known[flag]) is bool else arguments.all(flag) for flag in given}
        try:
            body = body_of(body_model, values)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if operand is not None:
            body[operand] = _operand(spec, arguments)
        key = (arguments.optional("--idempotency-key") or new_trace_id()) if keyed else ""
        target = loop_path(loop_of(arguments), path.removeprefix("/loops/{loop}")) if "{loop}" in path else path
        return ApiRequest("POST", target, body=body, key=key)

    return RemoteCommand(
        spec,
        f"POST {path}",
        flags,
        request,
        answer=lambda document: (document["result"], int(document["exitCode"])),
        present=present,
        model=model,
    )

"""Commands whose flags are the fields of a model of the API, by the rule of :mod:`opsd.api.flags`."""

from __future__ import annotations

from collections.abc import Callable

from opsd.cli.arguments import Arguments, loop_of
from opsd.cli.client.api_client import ApiRequest, get_request, loop_path
from opsd.cli.remote.command import Answered, RemoteCommand, fields_by_flag, named_object, spec_of
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject


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
        known = fields_by_flag(model)
        given = {name: text for flag, name in known.items() if (text := arguments.given(flag)) is not None}
        return get_request(loop_path(loop_of(arguments), path.removeprefix("/loops/{loop}")), **given)

    return RemoteCommand(spec, f"GET {path}", ("--loop",), request, member, answer, present, model=model)


def _operand(spec: str, arguments: Arguments) -> str:
    word = arguments.operand()
    if not word:
        raise UsageError(f"one word is required: {spec_of(spec).operand}")
    return word


def body_command(
    spec: str,
    path: str,
    model: str,
    member: str = "",
    *,
    answer: Callable[[JsonObject], Answered] | None = None,
    keyed: bool = False,
    present: str = "",
) -> RemoteCommand:
    """A command whose flags, and operand, are the fields of a route's body.

    Args:
        path: with ``{loop}`` where the command has ``--loop``.
        keyed: the route takes a key; the command's own is used where one is given.
    """
    flags = (*(("--loop",) if "{loop}" in path else ()), *(("--idempotency-key",) if keyed else ()))

    def request(arguments: Arguments) -> ApiRequest:
        from opsd.api.flags import body_of, kind_of, operand_of

        body_model, known = named_object(model), fields_by_flag(model)
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

    return RemoteCommand(spec, f"POST {path}", flags, request, member, answer, present, model=model)


def process_command(spec: str, path: str, model: str, *, keyed: bool = False, present: str = "") -> RemoteCommand:
    """One whose route is the command itself, as a process (:mod:`opsd.api.command_route`)."""
    return body_command(spec, path, model, answer=_ended, keyed=keyed, present=present)


def _ended(document: JsonObject) -> Answered:
    return document["result"], int(document["exitCode"])

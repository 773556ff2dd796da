"""Routes that are a command of this manager: what the body says become its flags, what it prints the answer.

A step that starts other programs, replaces files one after the other, or takes minutes runs as a process of its own, as
the daemon's timers run it: it can be ended at any moment, and completes or repeats what was left the next time. Over
HTTP it has no flag that names a file: the daemon's own files are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsd.access.model import Scope
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.flags import flags_of
from opsd.api.models.base import Body
from opsd.api.route import Answer, Call, Handler, Route

_MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "exitCode": {"type": "integer", "description": "of the command"},
    "result": {"type": "object", "description": "the document that the command printed"},
}
_ERRORS = (ErrorCode.COMMAND_FAILED, ErrorCode.CONFLICT)

#: Further flags of a call, such as who answers for it.
MoreFlags = Callable[[Call], Sequence[str]]


def command_route(
    path: str,
    name: str,
    command: str,
    summary: str,
    tag: str,
    body: type[Body],
    *,
    scope: Scope = Scope.POLICY,
    good_exits: frozenset[int] = frozenset({0}),
    deadline_s: float = 600.0,
    keyed: bool = False,
    traced: bool = True,
    alone: bool = False,
    more: MoreFlags = lambda _call: (),
) -> Route:
    """The route of ``opsd <command>``.

    Args:
        body: its fields are the flags that may be given (:mod:`opsd.api.flags`).
        good_exits: with one of these the command did its work.
        deadline_s: seconds after which it is ended.
        traced: the command takes a trace id.
        alone: one at a time; another is told that the daemon is busy.
        more: flags beside those of the body; the repo is always there, and the loop where the path names one.
    """
    handler = _handler(command.split(), good_exits, deadline_s, more, traced=traced, alone=alone)
    return Route(
        "POST",
        path,
        name,
        summary,
        tag,
        handler,
        scope,
        body=body,
        members=_MEMBERS,
        errors=_ERRORS,
        keyed=keyed,
    )


def _handler(
    command: Sequence[str],
    good_exits: frozenset[int],
    deadline_s: float,
    more: MoreFlags,
    *,
    traced: bool,
    alone: bool,
) -> Handler:
    async def run(call: Call) -> Answer:
        loop = ("--loop", call.entry().loop_id) if "loop" in call.path else ()
        trace = ("--trace-id", call.trace_id) if traced else ()
        argv = [*command, "--repo", call.host.repo, *loop, *trace, *more(call), *flags_of(call.body)]
        alone_as = " ".join(command) if alone else ""
        ended = await call.host.run_command(argv, deadline_s, by=call.holder, alone=alone_as)
        told: dict[str, object] = {"exitCode": ended.exit_code}
        if ended.document is not None:
            told["result"] = ended.document
        if ended.exit_code in good_exits and ended.document is not None:
            return Answer(told)
        said = ended.said or f"the command ended with {ended.exit_code} and no document"
        raise ApiError(ErrorCode.COMMAND_FAILED, said, more=told)

    return run

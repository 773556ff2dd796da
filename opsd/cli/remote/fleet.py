"""Commands about the fleet as clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opsd.cli.arguments import Arguments
from opsd.cli.client.api_client import ApiRequest, get_request
from opsd.cli.remote.by_model import body_command
from opsd.cli.remote.command import Answered, RemoteCommand
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject, JsonValue

_WAIT = "--lock-wait-seconds"
_LEVER = "opsd.cli.fleet.levers:present"
_HANDOFF_FLAGS = (
    *("--execute", "--autonomous-execute", "--confirm", "--anew", "--loop", "--intent-id", "--note"),
    *("--timeout-seconds", "--interval-seconds", "--no-runtime-confirm", "--idempotency-prefix", _WAIT),
)


def _explain(arguments: Arguments) -> ApiRequest:
    name = arguments.operand()
    if not name:
        raise UsageError("a candidate is required, as <loop>:<category>")
    return get_request("/fleet/explain", candidate=name)


def _explained(document: JsonObject) -> Answered:
    found = document["explanation"]
    return found, 1 if found["derivation"]["matches"] is False else 0


def _handoff(arguments: Arguments) -> ApiRequest:
    from opsd.cli.fleet.handoff import execution_mode
    from opsd.fleet.handoff.words import ExecutionMode

    mode = execution_mode(arguments)
    prefix = arguments.given("--idempotency-prefix")
    body: JsonObject = {"lockWaitSeconds": arguments.non_negative(_WAIT, 30)}
    body |= {} if prefix is None else {"idempotencyPrefix": prefix}
    if mode is None:
        return ApiRequest("POST", "/fleet/handoff/plan", body=body)
    loops, intents = arguments.all("--loop"), arguments.all("--intent-id")
    body |= {
        "loops": loops,
        "intentIds": intents,
        "note": arguments.given("--note") or "",
        "runtimeConfirm": not arguments.switch("--no-runtime-confirm"),
        "timeoutSeconds": arguments.non_negative("--timeout-seconds", 30),
        "intervalSeconds": arguments.non_negative("--interval-seconds", 2),
    }
    key = f"handoff-{new_trace_id()}"
    if mode is ExecutionMode.AUTONOMOUS:
        return ApiRequest("POST", "/fleet/handoff/dispatch", body=body, key=key)
    body |= {"confirm": True, "everything": not loops and not intents, "anew": arguments.switch("--anew")}
    return ApiRequest("POST", "/fleet/handoff/execute", body=body, key=key)


def _lever(path: str, **body: JsonValue) -> Callable[[Arguments], ApiRequest]:
    def request(arguments: Arguments) -> ApiRequest:
        return ApiRequest("POST", path, body={**body, "note": arguments.given("--note") or ""})

    return request


def _kill_switch(arguments: Arguments) -> ApiRequest:
    from opsd.cli.fleet.levers import engaged

    body = {"engaged": engaged(arguments), "note": arguments.given("--note") or ""}
    return ApiRequest("POST", "/fleet/kill-switch", body=body)


def present_status(arguments: Arguments, answered: JsonObject, place: Sequence[str]) -> None:
    """What ``opsd fleet status`` shows, of the status and what came beside it."""
    from opsd.cli.fleet.status import present
    from opsd.fleet.documents import Document

    policy, handoff = (
        Document(answered[name], f"the server's {name} state is none") if name in answered else None
        for name in ("policy", "handoff")
    )
    present(arguments, answered["status"], place, policy=policy, handoff=handoff)


def present_registry(arguments: Arguments, document: JsonObject, place: Sequence[str]) -> None:
    """What ``opsd fleet registry`` shows; what ``--loop`` asks for is taken out of it here.

    Raises:
        UsageError: there is no such loop.
    """
    from opsd.cli.fleet.registry import asked_for, present

    present(arguments, asked_for(arguments, document), place)


COMMANDS: dict[str, RemoteCommand] = {
    "fleet status": RemoteCommand(
        "opsd.cli.fleet.status:SPEC",
        "GET /fleet/status",
        (),
        lambda _given: get_request("/fleet/status"),
        answer=lambda document: (document, 0),
        present="opsd.cli.remote.fleet:present_status",
        further={"policy": get_request("/fleet/policy"), "handoff": get_request("/fleet/handoff")},
        also=("GET /fleet/policy", "GET /fleet/handoff"),
    ),
    "fleet registry": RemoteCommand(
        "opsd.cli.fleet.registry:SPEC",
        "GET /fleet/registry",
        ("--loop",),
        lambda _given: get_request("/fleet/registry"),
        "registry",
        present="opsd.cli.remote.fleet:present_registry",
    ),
    "fleet reconcile": body_command(
        "opsd.cli.fleet.reconcile:SPEC",
        "/fleet/reconcile",
        "opsd.api.models.fleet:FleetReconcile",
        "fleet",
        present="opsd.cli.fleet.reconcile:present",
    ),
    "fleet policy": body_command(
        "opsd.cli.fleet.policy:SPEC",
        "/fleet/policy",
        "opsd.api.models.fleet:PolicyRun",
        "policy",
        present="opsd.cli.fleet.policy:present",
    ),
    "fleet explain": RemoteCommand(
        "opsd.cli.fleet.explain:SPEC",
        "GET /fleet/explain",
        (),
        _explain,
        answer=_explained,
        present="opsd.cli.fleet.explain:present",
    ),
    "fleet handoff": RemoteCommand(
        "opsd.cli.fleet.handoff:SPEC",
        "POST /fleet/handoff/execute",
        _HANDOFF_FLAGS,
        _handoff,
        "handoff",
        present="opsd.cli.fleet.handoff:present",
        also=("POST /fleet/handoff/plan", "POST /fleet/handoff/dispatch"),
    ),
    "fleet pause": RemoteCommand(
        "opsd.cli.fleet.levers:PAUSE", "POST /fleet/pause", ("--note",), _lever("/fleet/pause"), "lever", present=_LEVER
    ),
    "fleet resume": RemoteCommand(
        "opsd.cli.fleet.levers:RESUME",
        "POST /fleet/resume",
        ("--note",),
        _lever("/fleet/resume"),
        "lever",
        present=_LEVER,
    ),
    "fleet kill-switch": RemoteCommand(
        "opsd.cli.fleet.levers:KILL_SWITCH",
        "POST /fleet/kill-switch",
        ("--engage", "--release", "--note"),
        _kill_switch,
        "lever",
        present=_LEVER,
    ),
}

"""``opsd --server``: commands that work through a daemon's control API, with the same document and exit code.

One table says which command asks which route, and which of the command's flags mean something there; any other flag is
refused rather than ignored. Imported only where a server is named.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opsd.cli.api_client import SERVER_VARIABLE, ApiRequest, ask, loop_path, refusal, server_of
from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.output import write_json
from opsd.contract.durations import parse_duration
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id, parse_loop_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch

Answered = tuple[JsonValue, int]
"""What is printed, and the exit code."""


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """A command as a client.

    Args:
        spec: ``module:NAME`` of its :class:`CommandSpec`.
        route: method and path of the API, for people and for the test that looks whether there is such a route.
        flags: those that mean something to the server; ``--pretty`` always does.
        request: what is asked.
        answer: what the command prints of a success, and its exit code.
        member: of the answer, printed as it is where there is no ``answer``.
    """

    spec: str
    route: str
    flags: tuple[str, ...]
    request: Callable[[Arguments], ApiRequest]
    member: str = ""
    answer: Callable[[JsonObject], Answered] | None = None


def split_server(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of ``--server``, and the arguments without it.

    Raises:
        UsageError: the flag has no value.
    """
    rest = list(argv)
    found: str | None = None
    while "--server" in rest:
        at = rest.index("--server")
        if at + 1 == len(rest) or not rest[at + 1]:
            raise UsageError("--server requires a value")
        found = rest[at + 1]
        del rest[at : at + 2]
    return found, rest


def wanted_server(name: str, argv: Sequence[str], env: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """Which server a command asks, None for this host; and its other arguments.

    The variable counts for commands that can ask one, unless ``--repo`` says that this host's files are meant.

    Raises:
        UsageError: the command cannot, or both a server and a repo were named.
    """
    named, rest = split_server(argv)
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
    spec = _spec(command.spec)
    arguments = spec.parse(argv)
    for flag in spec.flags:
        if arguments.given(flag.name) is not None and flag.name not in (*command.flags, "--pretty"):
            raise UsageError(f"{flag.name} cannot be combined with --server")
    request = command.request(arguments)
    _status, document = ask(server_of(named, os.environ), request)
    if document["ok"] is not True:
        if not isinstance(document.get("result"), dict):
            raise refusal(document)
        shown: JsonValue = document["result"]
        code = document.get("exitCode", 1)
    elif command.answer is not None:
        shown, code = command.answer(document)
    else:
        shown, code = document.get(command.member), 0
    write_json(shown, pretty=spec.declares("--pretty") and arguments.switch("--pretty"))
    return int(code)


def _spec(target: str) -> CommandSpec:
    module_name, _, attribute = target.partition(":")
    from importlib import import_module

    found: CommandSpec = getattr(import_module(module_name), attribute)
    return found


def _loop(arguments: Arguments) -> str:
    return parse_loop_id(arguments.required("--loop"), reserved=True)


def _get(path: str, **query: object) -> ApiRequest:
    return ApiRequest("GET", path, {name: str(value) for name, value in query.items() if value is not None})


def _status(arguments: Arguments) -> ApiRequest:
    window = arguments.positive("--summary-window", 200)
    return _get(loop_path(_loop(arguments), "/status"), summaryWindow=window)


def _telemetry(arguments: Arguments) -> ApiRequest:
    return _get(loop_path(_loop(arguments), "/telemetry"), window=arguments.positive("--window", 200))


def _reconcile(arguments: Arguments) -> ApiRequest:
    return ApiRequest("POST", loop_path(_loop(arguments), "/reconcile"), body={"wait": True})


def _reconciled(document: JsonObject) -> Answered:
    ended = document["pass"]
    if ended["document"] is None:
        raise UsageError(str(ended["output"]).strip().removeprefix("error: "))
    return ended["document"], 0 if ended["succeeded"] else 1


def _control(arguments: Arguments) -> ApiRequest:
    from opsd.cli.control import INTENT_MESSAGE, INTENTS, TIMES_MESSAGE

    loop, intent = _loop(arguments), arguments.required("--intent")
    if intent not in INTENTS:
        raise UsageError(INTENT_MESSAGE)
    body: JsonObject = {
        "intent": intent,
        "note": arguments.given("--note") or "",
        "confirm": not arguments.switch("--no-confirm"),
        "timeoutSeconds": arguments.non_negative("--timeout-seconds", 30, TIMES_MESSAGE),
        "intervalSeconds": arguments.non_negative("--interval-seconds", 2, TIMES_MESSAGE),
        "onlyIfActive": arguments.switch("--only-if-active"),
    }
    key = arguments.optional("--idempotency-key") or f"{intent}-{new_trace_id()}"
    return ApiRequest("POST", loop_path(loop, "/control"), body=body, key=key)


def _explain(arguments: Arguments) -> ApiRequest:
    name = arguments.operand()
    if not name:
        raise UsageError("a candidate is required, as <loop>:<category>")
    return _get("/fleet/explain", candidate=name)


def _explained(document: JsonObject) -> Answered:
    found = document["explanation"]
    return found, 1 if found["derivation"]["matches"] is False else 0


def _policy(arguments: Arguments) -> ApiRequest:
    body: JsonObject = {}
    for flag, member in (
        ("--dedupe-window-seconds", "dedupeWindowSeconds"),
        ("--max-fleet-state-age-seconds", "maxFleetStateAgeSeconds"),
    ):
        if arguments.given(flag) is not None:
            body[member] = arguments.non_negative(flag, 0)
    return ApiRequest("POST", "/fleet/policy", body=body)


def _handoff(arguments: Arguments) -> ApiRequest:
    if not arguments.switch("--execute"):
        return ApiRequest("POST", "/fleet/handoff/plan", body={})
    if not arguments.switch("--confirm"):
        raise UsageError("--execute requires --confirm to enforce explicit operator confirmation")
    loops, intents = arguments.all("--loop"), arguments.all("--intent-id")
    body: JsonObject = {
        "confirm": True,
        "loops": loops,
        "intentIds": intents,
        "everything": not loops and not intents,
        "note": arguments.given("--note") or "",
        "runtimeConfirm": not arguments.switch("--no-runtime-confirm"),
        "timeoutSeconds": arguments.non_negative("--timeout-seconds", 30),
        "intervalSeconds": arguments.non_negative("--interval-seconds", 2),
    }
    return ApiRequest("POST", "/fleet/handoff/execute", body=body, key=f"handoff-{new_trace_id()}")


def _lever(path: str, **body: JsonValue) -> Callable[[Arguments], ApiRequest]:
    def request(arguments: Arguments) -> ApiRequest:
        return ApiRequest("POST", path, body={**body, "note": arguments.given("--note") or ""})

    return request


def _kill_switch(arguments: Arguments) -> ApiRequest:
    from opsd.cli.fleet_levers import engaged

    body = {"engaged": engaged(arguments), "note": arguments.given("--note") or ""}
    return ApiRequest("POST", "/fleet/kill-switch", body=body)


def _silence_add(arguments: Arguments) -> ApiRequest:
    from opsd.alerts.matchers import parse_matcher_text

    matchers = [parse_matcher_text(text).as_json() for text in arguments.all("--matcher")]
    if not matchers:
        raise UsageError("--matcher is required")
    starts = arguments.optional("--starts-at")
    duration, ends = arguments.optional("--duration"), arguments.optional("--ends-at")
    if (duration is None) == (ends is None):
        raise UsageError("one of --duration and --ends-at is required")
    begin = int(time.time()) if starts is None else parse_epoch(starts)
    end = parse_epoch(ends) if ends is not None else None
    seconds = parse_duration(duration or "") if end is None else end - (begin or 0)
    if begin is None or seconds is None or seconds < 1:
        raise UsageError("the silence must begin and end at times like 2026-01-31T08:00:00Z, or last like 2h")
    body: JsonObject = {
        "matchers": matchers,
        "durationSeconds": seconds,
        "comment": arguments.optional("--comment") or "",
    }
    body |= {"startsAt": starts} if starts is not None else {}
    return ApiRequest("POST", "/alerts/silences", body=body, key=f"silence-{new_trace_id()}")


def _silence_expire(arguments: Arguments) -> ApiRequest:
    from urllib.parse import quote

    return ApiRequest("POST", f"/alerts/silences/{quote(arguments.required('--id'), safe='')}/expire", body={})


def _silences(arguments: Arguments) -> ApiRequest:
    return _get("/alerts/silences", all="true" if arguments.switch("--all") else None)


def _listed(document: JsonObject) -> Answered:
    return {"schemaVersion": "v1", "silences": document["silences"]}, 0


def _dispatch(arguments: Arguments) -> ApiRequest:
    loop, sink = _loop(arguments), arguments.optional("--test-sink")
    if arguments.switch("--list-dead-letters"):
        return _get(loop_path(loop, "/dead-letters"))
    if sink is not None:
        from urllib.parse import quote

        return ApiRequest("POST", f"/alerts/sinks/{quote(sink, safe='')}/test", body={"loopId": loop})
    if not arguments.switch("--replay-dead-letters"):
        raise UsageError("the daemon dispatches by itself: use --list-dead-letters, --replay-dead-letters, --test-sink")
    delivery = arguments.optional("--delivery-id")
    body: JsonObject = {} if delivery is None else {"deliveryId": delivery}
    return ApiRequest("POST", loop_path(loop, "/dead-letters/replay"), body=body)


def _dispatched(document: JsonObject) -> Answered:
    return next(document[name] for name in ("deadLetters", "dispatch", "test") if name in document), 0


def _route_of(arguments: Arguments) -> ApiRequest:
    return _get("/alerts/route", category=arguments.required("--category"), severity=arguments.optional("--severity"))


def _audited(document: JsonObject) -> Answered:
    return document["audit"], 0 if document["audit"]["ok"] else 1


_SILENCE = "opsd.cli.alert_silence:"
_EXECUTE_FLAGS = ("--execute", "--confirm", "--loop", "--intent-id", "--note", "--timeout-seconds")

#: Which command asks which route; whatever is not here works on this host only.
COMMANDS: dict[str, RemoteCommand] = {
    "status": RemoteCommand(
        "opsd.cli.status:SPEC", "GET /loops/{loop}/status", ("--loop", "--summary-window"), _status, "status"
    ),
    "telemetry-summary": RemoteCommand(
        "opsd.cli.telemetry_summary:SPEC", "GET /loops/{loop}/telemetry", ("--loop", "--window"), _telemetry, "summary"
    ),
    "reconcile": RemoteCommand(
        "opsd.cli.reconcile:SPEC", "POST /loops/{loop}/reconcile", ("--loop",), _reconcile, answer=_reconciled
    ),
    "control": RemoteCommand(
        "opsd.cli.control:SPEC",
        "POST /loops/{loop}/control",
        (
            "--loop",
            "--intent",
            "--idempotency-key",
            "--note",
            "--timeout-seconds",
            "--interval-seconds",
            "--no-confirm",
            "--only-if-active",
        ),
        _control,
        answer=lambda document: (document["result"], int(document["exitCode"])),
    ),
    "fleet status": RemoteCommand(
        "opsd.cli.fleet_status:SPEC", "GET /fleet/status", (), lambda _given: _get("/fleet/status"), "status"
    ),
    "fleet registry": RemoteCommand(
        "opsd.cli.fleet_registry:SPEC", "GET /fleet/registry", (), lambda _given: _get("/fleet/registry"), "registry"
    ),
    "fleet policy": RemoteCommand(
        "opsd.cli.fleet_policy:SPEC",
        "POST /fleet/policy",
        ("--dedupe-window-seconds", "--max-fleet-state-age-seconds"),
        _policy,
        "policy",
    ),
    "fleet explain": RemoteCommand(
        "opsd.cli.fleet_explain:SPEC", "GET /fleet/explain", (), _explain, answer=_explained
    ),
    "fleet handoff": RemoteCommand(
        "opsd.cli.fleet_handoff:SPEC",
        "POST /fleet/handoff/execute",
        (*_EXECUTE_FLAGS, "--interval-seconds", "--no-runtime-confirm"),
        _handoff,
        "handoff",
    ),
    "fleet pause": RemoteCommand(
        "opsd.cli.fleet_levers:PAUSE", "POST /fleet/pause", ("--note",), _lever("/fleet/pause"), "lever"
    ),
    "fleet resume": RemoteCommand(
        "opsd.cli.fleet_levers:RESUME", "POST /fleet/resume", ("--note",), _lever("/fleet/resume"), "lever"
    ),
    "fleet kill-switch": RemoteCommand(
        "opsd.cli.fleet_levers:KILL_SWITCH",
        "POST /fleet/kill-switch",
        ("--engage", "--release", "--note"),
        _kill_switch,
        "lever",
    ),
    "alerts silence add": RemoteCommand(
        f"{_SILENCE}ADD",
        "POST /alerts/silences",
        ("--matcher", "--duration", "--ends-at", "--starts-at", "--comment"),
        _silence_add,
        "silence",
    ),
    "alerts silence list": RemoteCommand(
        f"{_SILENCE}LIST", "GET /alerts/silences", ("--all",), _silences, answer=_listed
    ),
    "alerts silence expire": RemoteCommand(
        f"{_SILENCE}EXPIRE", "POST /alerts/silences/{silence}/expire", ("--id",), _silence_expire, "silence"
    ),
    "alerts dispatch": RemoteCommand(
        "opsd.cli.alerts_dispatch:SPEC",
        "POST /loops/{loop}/dead-letters/replay",
        ("--loop", "--list-dead-letters", "--replay-dead-letters", "--delivery-id", "--test-sink"),
        _dispatch,
        answer=_dispatched,
    ),
    "alerts resolve": RemoteCommand(
        "opsd.cli.alerts_resolve:SPEC", "GET /alerts/route", ("--category", "--severity"), _route_of, "route"
    ),
    "audit verify": RemoteCommand(
        "opsd.cli.audit_verify:SPEC", "GET /audit", (), lambda _given: _get("/audit"), answer=_audited
    ),
}

"""Commands about alerts as clients."""

from __future__ import annotations

import time

from opsd.cli.arguments import Arguments, loop_of
from opsd.cli.client.api_client import ApiRequest, get_request, loop_path, segment
from opsd.cli.remote.by_model import process_command
from opsd.cli.remote.command import Answered, RemoteCommand
from opsd.contract.durations import parse_duration
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch

_SILENCE = "opsd.cli.alerts.silence:"


def _silence_add(arguments: Arguments) -> ApiRequest:
    from opsd.alerts.muting.matchers import parse_matcher_text

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
    return ApiRequest("POST", f"/alerts/silences/{segment(arguments.required('--id'))}/expire", body={})


def _silences(arguments: Arguments) -> ApiRequest:
    return get_request("/alerts/silences", all="true" if arguments.switch("--all") else None)


def _listed(document: JsonObject) -> Answered:
    return {"schemaVersion": "v1", "silences": document["silences"]}, 0


def _dispatch(arguments: Arguments) -> ApiRequest:
    """A run, or one of the modes that have a route of their own; a flag that its route does not take is refused."""
    loop, sink = loop_of(arguments), arguments.optional("--test-sink")
    if arguments.switch("--list-dead-letters"):
        _only(arguments, "--list-dead-letters")
        return get_request(loop_path(loop, "/dead-letters"))
    if sink is not None:
        _only(arguments, "--test-sink")
        return ApiRequest("POST", f"/alerts/sinks/{segment(sink)}/test", body={"loopId": loop})
    delivery = arguments.optional("--delivery-id")
    if arguments.switch("--replay-dead-letters"):
        _only(arguments, "--replay-dead-letters", "--delivery-id")
        body: JsonObject = {} if delivery is None else {"deliveryId": delivery}
        return ApiRequest("POST", loop_path(loop, "/dead-letters/replay"), body=body)
    if delivery is not None:
        raise UsageError("--delivery-id requires --replay-dead-letters")
    return _RUN.request(arguments)


def _only(arguments: Arguments, mode: str, *others: str) -> None:
    for flag in COMMANDS["alerts dispatch"].flags:
        if flag not in (mode, "--loop", *others) and arguments.given(flag) is not None:
            raise UsageError(f"{flag} cannot be combined with {mode} and --server")


def _dispatched(document: JsonObject) -> Answered:
    if "result" in document:
        return document["result"], int(document["exitCode"])
    return next(document[name] for name in ("deadLetters", "dispatch", "test") if name in document), 0


def _resolve(arguments: Arguments) -> ApiRequest:
    from opsd.cli.alerts.resolve import wanted

    category, severity = wanted(arguments)
    checked = "false" if arguments.switch("--no-env-check") else "true"
    if category is None:
        return get_request("/alerts/sinks", envCheck=checked)
    return get_request("/alerts/route", category=category, severity=severity, envCheck=checked)


def _resolved(document: JsonObject) -> Answered:
    if "route" in document:
        return document["route"], 0
    return {name: value for name, value in document["sinks"].items() if name != "health"}, 0


_RUN = process_command(
    "opsd.cli.alerts.dispatch:SPEC", "/loops/{loop}/alerts/dispatch", "opsd.api.models.alerts:AlertsDispatch"
)

COMMANDS: dict[str, RemoteCommand] = {
    "alerts silence add": RemoteCommand(
        f"{_SILENCE}ADD",
        "POST /alerts/silences",
        ("--matcher", "--duration", "--ends-at", "--starts-at", "--comment"),
        _silence_add,
        "silence",
        present=f"{_SILENCE}present_one",
    ),
    "alerts silence list": RemoteCommand(
        f"{_SILENCE}LIST",
        "GET /alerts/silences",
        ("--all",),
        _silences,
        answer=_listed,
        present=f"{_SILENCE}present_list",
    ),
    "alerts silence expire": RemoteCommand(
        f"{_SILENCE}EXPIRE",
        "POST /alerts/silences/{silence}/expire",
        ("--id",),
        _silence_expire,
        "silence",
        present=f"{_SILENCE}present_one",
    ),
    "alerts dispatch": RemoteCommand(
        _RUN.spec,
        _RUN.route,
        (*_RUN.own_flags, "--list-dead-letters", "--replay-dead-letters", "--delivery-id", "--test-sink"),
        _dispatch,
        answer=_dispatched,
        present="opsd.cli.alerts.dispatch:present",
        also=(
            "GET /loops/{loop}/dead-letters",
            "POST /loops/{loop}/dead-letters/replay",
            "POST /alerts/sinks/{sink}/test",
        ),
        model=_RUN.model,
    ),
    "alerts resolve": RemoteCommand(
        "opsd.cli.alerts.resolve:SPEC",
        "GET /alerts/sinks",
        ("--category", "--severity", "--list-sinks", "--no-env-check"),
        _resolve,
        answer=_resolved,
        present="opsd.cli.alerts.resolve:present",
        also=("GET /alerts/route",),
    ),
}

"""Commands about one loop as clients."""

from __future__ import annotations

from opsd.cli.api_client import ApiRequest, loop_path
from opsd.cli.arguments import Arguments
from opsd.cli.remote.command import Answered, RemoteCommand, get_request, loop_of
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject


def _status(arguments: Arguments) -> ApiRequest:
    window = arguments.positive("--summary-window", 200)
    return get_request(loop_path(loop_of(arguments), "/status"), summaryWindow=window)


def _telemetry(arguments: Arguments) -> ApiRequest:
    return get_request(loop_path(loop_of(arguments), "/telemetry"), window=arguments.positive("--window", 200))


def _reconcile(arguments: Arguments) -> ApiRequest:
    return ApiRequest("POST", loop_path(loop_of(arguments), "/reconcile"), body={"wait": True})


def _reconciled(document: JsonObject) -> Answered:
    ended = document["pass"]
    if ended["document"] is None:
        raise UsageError(str(ended["output"]).strip().removeprefix("error: "))
    return ended["document"], 0 if ended["succeeded"] else 1


def _control(arguments: Arguments) -> ApiRequest:
    from opsd.cli.control import INTENT_MESSAGE, INTENTS, TIMES_MESSAGE

    loop, intent = loop_of(arguments), arguments.required("--intent")
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


COMMANDS: dict[str, RemoteCommand] = {
    "status": RemoteCommand(
        "opsd.cli.status:SPEC",
        "GET /loops/{loop}/status",
        ("--loop", "--summary-window"),
        _status,
        "status",
        present="opsd.cli.status:present",
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
}

"""Commands about one loop as clients."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, loop_of
from opsd.cli.client.api_client import ApiRequest, get_request, loop_path
from opsd.cli.loop.events import skipped_line
from opsd.cli.page import loop_place
from opsd.cli.remote import events
from opsd.cli.remote.by_model import process_command, query_command
from opsd.cli.remote.command import Answered, Ask, RemoteCommand
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject


def _status(arguments: Arguments) -> ApiRequest:
    window = arguments.positive("--summary-window", 200)
    return get_request(loop_path(loop_of(arguments), "/status"), summaryWindow=window)


def _reconcile(arguments: Arguments) -> ApiRequest:
    body: JsonObject = {"wait": True, "fromStart": arguments.switch("--from-start")}
    body["maxEvents"] = arguments.non_negative("--max-events", 0)
    skip_line = skipped_line(arguments)
    return ApiRequest("POST", loop_path(loop_of(arguments), "/reconcile"), body={**body, "skipLine": skip_line})


def _reconciled(document: JsonObject) -> Answered:
    ended = document["pass"]
    if ended["document"] is None:
        raise UsageError(str(ended["output"]).strip().removeprefix("error: "))
    return ended["document"], 0 if ended["succeeded"] else 1


def _control(arguments: Arguments) -> ApiRequest:
    from opsd.cli.loop.control import INTENT_MESSAGE, INTENTS, TIMES_MESSAGE

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
        "commandTimeoutSeconds": arguments.positive("--command-timeout-seconds", 60),
    }
    if arguments.given("--retry-attempts") is not None:
        body["retryAttempts"] = arguments.positive("--retry-attempts", 3)
    if arguments.given("--retry-backoff-seconds") is not None:
        body["retryBackoffSeconds"] = arguments.non_negative("--retry-backoff-seconds", 1)
    key = arguments.optional("--idempotency-key") or f"{intent}-{new_trace_id()}"
    return ApiRequest("POST", loop_path(loop, "/control"), body=body, key=key)


def _projected(arguments: Arguments) -> ApiRequest:
    return ApiRequest("POST", loop_path(loop_of(arguments), "/project-state"), body={})


def _confirmed(document: JsonObject) -> Answered:
    return document["confirmation"], 0 if document["confirmation"]["confirmed"] else 1


def _watch(arguments: Arguments, ask: Ask, place: Sequence[str]) -> int | None:
    """``opsd status --watch``: the page again and again."""
    if not arguments.switch("--watch"):
        return None
    from opsd.cli.loop.status import watch

    return watch(lambda: ask(_status(arguments))["status"], loop_place(arguments, place))


_MODELS = "opsd.api.models.loops:"

_EVENTS = RemoteCommand(
    "opsd.cli.loop.events:SPEC",
    "GET /loops/{loop}/events",
    ("--loop", "--cursor-file", "--from-start", "--max-events", "--trace-id", "--skip-bad-line"),
    events.first_page,
    talk=events.talk,
)

COMMANDS: dict[str, RemoteCommand] = {
    "snapshot": query_command(
        "opsd.cli.loop.snapshot:SPEC",
        "/loops/{loop}/snapshot",
        f"{_MODELS}SnapshotQuery",
        "snapshot",
        present="opsd.cli.loop.snapshot:present",
    ),
    "events": _EVENTS,
    "poll-events": _EVENTS,
    "project-state": RemoteCommand(
        "opsd.cli.loop.project_state:SPEC",
        "POST /loops/{loop}/project-state",
        ("--loop",),
        _projected,
        "state",
        present="opsd.cli.loop.project_state:present",
    ),
    "reconcile": RemoteCommand(
        "opsd.cli.loop.reconcile:SPEC",
        "POST /loops/{loop}/reconcile",
        ("--loop", "--from-start", "--max-events", "--skip-bad-line"),
        _reconcile,
        answer=_reconciled,
        present="opsd.cli.loop.pass_answer:present",
    ),
    "health": query_command(
        "opsd.cli.loop.health:SPEC",
        "/loops/{loop}/health",
        f"{_MODELS}HealthQuery",
        "health",
        present="opsd.cli.loop.health:present",
    ),
    "status": RemoteCommand(
        "opsd.cli.loop.status:SPEC",
        "GET /loops/{loop}/status",
        ("--loop", "--summary-window", "--watch"),
        _status,
        "status",
        talk=_watch,
        present="opsd.cli.loop.status:present",
    ),
    "telemetry-summary": query_command(
        "opsd.cli.loop.telemetry_summary:SPEC",
        "/loops/{loop}/telemetry",
        f"{_MODELS}WindowQuery",
        "summary",
        present="opsd.cli.loop.telemetry_summary:present",
    ),
    "profile-drift": process_command(
        "opsd.cli.loop.profile_drift:SPEC",
        "/loops/{loop}/profile-drift",
        f"{_MODELS}ProfileDrift",
        present="opsd.cli.loop.profile_drift:present",
    ),
    "confirm-intent": query_command(
        "opsd.cli.loop.confirm_intent:SPEC",
        "/loops/{loop}/confirmation",
        f"{_MODELS}ConfirmationQuery",
        "confirmation",
        answer=_confirmed,
        present="opsd.cli.loop.confirm_intent:present",
    ),
    "control": RemoteCommand(
        "opsd.cli.loop.control:SPEC",
        "POST /loops/{loop}/control",
        (
            "--loop",
            "--intent",
            "--idempotency-key",
            "--note",
            "--timeout-seconds",
            "--interval-seconds",
            "--command-timeout-seconds",
            "--retry-attempts",
            "--retry-backoff-seconds",
            "--no-confirm",
            "--only-if-active",
        ),
        _control,
        answer=lambda document: (document["result"], int(document["exitCode"])),
        present="opsd.cli.loop.control:present",
    ),
}

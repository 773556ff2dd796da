"""``opsd control``: cancel, approve or reject one loop, with proof that it took effect (contract 30, section 3).

On a terminal the outcome is a readable page, elsewhere the intents row.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag, refuse_control_characters
from opsd.cli.loop.health import transport_kind
from opsd.cli.loop.service_token import service_token
from opsd.cli.output import write_error
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import UsageError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.control.runner import Executor

INTENTS = ("cancel", "approve", "reject")
INTENT_MESSAGE = "intent must be one of: cancel, approve, reject"
TIMES_MESSAGE = "timeout and interval must be non-negative integers"

SPEC = CommandSpec(
    "opsd control",
    "Carries out an intent on one loop, looks for its effect, and prints the intents row.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--intent", "cancel, approve or reject (required)", "<intent>"),
        Flag("--transport", "local (default) or sprite_service", "<name>"),
        Flag("--service-base-url", "address of the sprite service", "<url>"),
        Flag("--service-token", "default $OPS_MANAGER_SERVICE_TOKEN, which no process list shows", "<token>"),
        Flag("--service-token-file", "a file that holds the token", "<path>"),
        Flag("--idempotency-key", "default <intent>-<seconds>-<pid>", "<key>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--retry-attempts", "requests to the service, default 3", "<n>"),
        Flag("--retry-backoff-seconds", "pause after attempt k is k times this, default 1", "<n>"),
        Flag("--by", "who wants it, default $USER", "<name>"),
        Flag("--note", "why", "<text>"),
        Flag("--timeout-seconds", "how long the effect is looked for, default 30", "<n>"),
        Flag("--interval-seconds", "between two looks, default 2", "<n>"),
        Flag("--no-confirm", "do not look for the effect"),
        Flag("--command-timeout-seconds", "when a runtime command of this host is stopped, default 60", "<n>"),
        Flag("--only-if-active", "cancel nothing while another loop of the repo is active"),
    ),
    exits={
        0: "the effect was seen, or nobody was to look",
        1: "it failed, or an error",
        2: "executed, and no effect was seen in time",
    },
)


def main(argv: Sequence[str]) -> int:
    """Run the intent; 0 when it took effect (or nobody was to look), 2 when that is not known, 1 when it failed.

    Raises:
        OpsError: bad arguments, or the intent could not be written down. Nothing was executed then.

    What was executed and could not be recorded is printed like everything else, and told on stderr.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    intent = arguments.required("--intent")
    if intent not in INTENTS:
        raise UsageError(INTENT_MESSAGE)
    kind = transport_kind(arguments)
    times = [arguments.non_negative(flag, default, TIMES_MESSAGE) for flag, default in _TIMES]
    attempts = arguments.positive("--retry-attempts", 3)
    backoff_s = arguments.non_negative("--retry-backoff-seconds", 1)
    command_timeout_s = arguments.positive("--command-timeout-seconds", 60)
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)
    base_url = arguments.optional("--service-base-url")
    if kind == "sprite_service" and base_url is None:
        raise UsageError("--service-base-url is required when --transport sprite_service")

    token = service_token(arguments)
    if kind == "sprite_service":
        for flag in ("--trace-id", "--idempotency-key"):
            refuse_control_characters(flag, arguments.given(flag) or "")

    from opsd.contract.ids import new_trace_id
    from opsd.control.ledger import UnrecordedError
    from opsd.control.runner import Control
    from opsd.control.verdict import ControlRequest, Intent

    by, note = arguments.given("--by"), arguments.given("--note")
    request = ControlRequest(
        repo=repo,
        loop_id=loop_id,
        intent=Intent(intent),
        by=os.environ.get("USER") or "unknown" if by is None else by,
        note=note or "",
        trace_id=arguments.optional("--trace-id", "OPS_MANAGER_TRACE_ID") or new_trace_id(),
        idempotency_key=arguments.optional("--idempotency-key") or f"{intent}-{int(time.time())}-{os.getpid()}",
        confirm=not arguments.switch("--no-confirm"),
        timeout_s=times[0],
        interval_s=times[1],
        retry_attempts=attempts,
        retry_backoff_s=backoff_s,
        transport=kind,
        only_if_active=arguments.switch("--only-if-active"),
    )
    execute = _local(command_timeout_s) if kind == "local" else _remote(base_url or "", token)
    try:
        row, verdict = Control(execute, on_recovered=_tell_recovered, secrets=(token,)).run(request)
    except UnrecordedError as error:
        row, verdict = error.row, error.verdict
        write_error(f"error: {error.message}")
    present(arguments, row)
    return verdict.exit


def present(arguments: Arguments, row: JsonObject, place: Sequence[str] = ()) -> None:
    """Print what became of the intent."""

    def page() -> Page:
        from opsd.cli.loop.control_page import control_page

        return control_page(row, loop_place(arguments, place))

    tell(arguments, row, page)


_TIMES = (("--timeout-seconds", 30), ("--interval-seconds", 2))


def _tell_recovered(row: dict[str, object]) -> None:
    """For a person only: programs parse both streams together. The row itself is in the log."""
    if sys.stderr.isatty():
        write_error(f"notice: an earlier {row['intent']} of {row['loopId']} is recorded as {row['status']}")


def _local(command_timeout_s: int) -> Executor:
    from opsd.control.local import LocalExecutor

    return LocalExecutor(os.environ, command_timeout_s=command_timeout_s)


def _remote(base_url: str, token: str) -> Executor:
    from opsd.control.service import service_executor

    return service_executor(base_url, token, os.environ, write_error)

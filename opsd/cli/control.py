"""``opsd control``: cancel, approve or reject one loop, with proof that it took effect (contract 30, section 3)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.health import transport_kind
from opsd.cli.output import write_json
from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
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
        Flag("--idempotency-key", "default <intent>-<seconds>-<pid>", "<key>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--retry-attempts", "requests to the service, default 3", "<n>"),
        Flag("--retry-backoff-seconds", "pause after attempt k is k times this, default 1", "<n>"),
        Flag("--by", "who wants it, default $USER", "<name>"),
        Flag("--note", "why", "<text>"),
        Flag("--timeout-seconds", "how long the effect is looked for, default 30", "<n>"),
        Flag("--interval-seconds", "between two looks, default 2", "<n>"),
        Flag("--no-confirm", "do not look for the effect"),
        Flag("--refuse-other-loop", "cancel nothing while another loop of the repo is active"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Run the intent; 0 when it took effect (or nobody was to look), 2 when that is not known, 1 when it failed.

    Raises:
        OpsError: bad arguments, or the intent could not be written down. Nothing was executed then.
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
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)
    base_url = arguments.optional("--service-base-url")
    if kind == "sprite_service" and base_url is None:
        raise UsageError("--service-base-url is required when --transport sprite_service")

    from opsd.contract.ids import new_trace_id
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
    )
    execute = _local(arguments, repo, loop_id) if kind == "local" else _remote(arguments, base_url or "")
    row, verdict = Control(execute, on_recovered=_tell_recovered).run(request)
    write_json(row)
    return verdict.exit


_TIMES = (("--timeout-seconds", 30), ("--interval-seconds", 2))


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _tell_recovered(row: dict[str, object]) -> None:
    _tell(f"notice: an earlier {row['intent']} of {row['loopId']} ended without a known outcome; recorded as ambiguous")


def _local(arguments: Arguments, repo: str, loop_id: LoopId) -> Executor:
    from opsd.control.local import LocalExecutor, active_loop, snapshot_taker

    if arguments.switch("--refuse-other-loop"):
        active = (active_loop(snapshot_taker(repo, loop_id)()) or {}).get("observedActiveLoop")
        if active is not None and active != loop_id:
            raise UsageError(f"another loop is active in this repo: {active}")
    return LocalExecutor(os.environ)


def _remote(arguments: Arguments, base_url: str) -> Executor:
    from opsd.control.service import service_executor

    token = arguments.optional("--service-token", "OPS_MANAGER_SERVICE_TOKEN") or ""
    return service_executor(base_url, token, os.environ, _tell)

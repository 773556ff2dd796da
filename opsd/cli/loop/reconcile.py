"""``opsd reconcile``: one full manager pass over one loop (contract 20, sections 2 to 4).

This module holds the command's interface: the order in which arguments, environment and thresholds are checked
(2.4) and what is printed (4.13): on a terminal a readable page, elsewhere (and with ``--pretty``) the document. The
pass itself is :mod:`opsd.loop.reconcile`. Nothing is written before the last check has passed, and stderr stays empty
whenever a document is printed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.loop.events import skipped_line
from opsd.cli.loop.health import THRESHOLD_FLAGS, transport_kind
from opsd.cli.loop.judging import CONFIG, check_drift_numbers, judge_of, judging_flags, thresholds, tuner
from opsd.cli.loop.pass_answer import present
from opsd.cli.loop.service_token import service_token
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.loop.outcome import Outcome
    from opsd.loop.reconcile import AlertDispatcher, Reconciler
    from opsd.storage.layout import Part
    from opsd.storage.store import LoopStore
    from opsd.transport.base import BlockingTransport

    #: A pass over HTTP: (reconciler, loop id, base URL, token, trace id, environment).
    RemotePass: TypeAlias = Callable[[Reconciler, LoopId, str, str, str, Mapping[str, str]], Outcome]

SPEC = CommandSpec(
    "opsd reconcile",
    "One manager pass over one loop: ingest, project, judge, record. Prints the state, or the health on failure.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--transport", "local (default) or sprite_service", "<name>"),
        Flag("--service-base-url", "address of the sprite service", "<url>"),
        Flag("--service-token", "default $OPS_MANAGER_SERVICE_TOKEN, which no process list shows", "<token>"),
        Flag("--service-token-file", "a file that holds the token", "<path>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--retry-attempts", "requests per answer, default 3", "<n>"),
        Flag("--retry-backoff-seconds", "pause after attempt k is k times this, default 1", "<n>"),
        Flag("--cursor-file", "default <ops>/cursor.json, <ops> = <repo>/.superloop/ops-manager/<loop>", "<path>"),
        Flag("--state-file", "default <ops>/state.json", "<path>"),
        Flag("--max-events", "ingest at most so many, 0 = all (default)", "<n>"),
        Flag("--from-start", "begin at the journal's first line, whatever the cursor says"),
        Flag("--skip-bad-line", "step over this one line that cannot be decoded; telemetry records it", "<n>"),
        Flag("--threshold-profile", "default $OPS_MANAGER_THRESHOLD_PROFILE, else the catalog's default", "<name>"),
        Flag("--thresholds-file", "default $OPS_MANAGER_THRESHOLD_PROFILES_FILE, else the shipped one", "<path>"),
        Flag("--drift-min-confidence", "low, medium (default) or high", "<level>"),
        Flag("--drift-required-streak", "default 3", "<n>"),
        Flag("--drift-summary-window", "rows of telemetry that are looked at, default 200", "<n>"),
        Flag("--drift-state-file", "default <ops>/profile-drift.json", "<path>"),
        Flag("--drift-history-file", "default <ops>/telemetry/profile-drift.jsonl", "<path>"),
        Flag("--sequence-state-file", "default <ops>/sequence-state.json", "<path>"),
        Flag("--sequence-telemetry-file", "default <ops>/telemetry/sequence.jsonl", "<path>"),
        Flag("--alerts-enabled", "true (default) or false", "<bool>"),
        Flag("--alert-config-file", "the catalog of alert sinks", "<path>"),
        Flag("--alert-dispatch-state-file", "default <ops>/alert-dispatch-state.json", "<path>"),
        Flag("--alert-dispatch-telemetry-file", "default <ops>/telemetry/alerts.jsonl", "<path>"),
        Flag("--heartbeat-state-file", "default <ops>/heartbeat.json", "<path>"),
        Flag("--heartbeat-telemetry-file", "default <ops>/telemetry/heartbeat.jsonl", "<path>"),
        *(Flag(name, "a limit of health, over the profile's", "<n>") for name in THRESHOLD_FLAGS),
        Flag("--liveness", "positive evidence that the run's process is gone makes the loop critical"),
        Flag("--spare-finished", "a loop that is complete, stopped, failed or idle is not stale"),
        CONFIG,
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={1: "the pass failed and its document says why, or an error"},
)

#: Lets a token travel over plain HTTP to another host; the daemon's setting of the same meaning reads it too.
PLAINTEXT_VARIABLE = "OPSD_TRANSPORT__ALLOW_PLAINTEXT_TOKEN"

_ALERTS_MESSAGE = "--alerts-enabled must be true or false"


def main(argv: Sequence[str]) -> int:
    """Run the pass; 0 when events and snapshot were ingested, 1 otherwise.

    Raises:
        OpsError: a bad argument or setting, a lock that somebody else holds, or a manager file that the pass could
            not work without (the rest of the pass is on disk then).
    """
    arguments = SPEC.parse(argv)
    judged_as = judging_flags(arguments)
    if judged_as:
        arguments = SPEC.parse([*judged_as, *argv])  # of a flag that is given twice the last one counts
    outcome = run_pass(arguments, os.environ)
    if outcome.error is not None:
        raise ManagerFileError(outcome.error)
    present(arguments, outcome.document, failure="" if outcome.failure is None else outcome.failure.message)
    return 0 if outcome.failure is None else 1


def run_pass(arguments: Arguments, env: Mapping[str, str], remote: RemotePass | None = None) -> Outcome:
    """The pass that the arguments ask for; ``remote`` runs it over HTTP in place of a connection for this one pass.

    Raises:
        OpsError: a bad argument or setting, or a lock that somebody else holds.
    """
    given_repo = arguments.required("--repo")
    loop_id = parse_loop_id(arguments.required("--loop"), reserved=True)
    max_events = arguments.non_negative("--max-events", 0)
    retry_attempts = arguments.positive("--retry-attempts", 3)
    retry_backoff_s = arguments.non_negative("--retry-backoff-seconds", 1)
    check_drift_numbers(arguments, {})
    _check_alerts(arguments, {})
    kind = transport_kind(arguments)
    skip_line = skipped_line(arguments)
    repo = absolute_repo(given_repo)
    alerts_enabled = _check_alerts(arguments, env)
    limits, tuning = thresholds(arguments, env)
    base_url = arguments.optional("--service-base-url")
    if kind == "sprite_service" and base_url is None:
        raise UsageError("--service-base-url is required when --transport sprite_service")

    from opsd import compose
    from opsd.contract.ids import new_trace_id
    from opsd.loop.reconcile import Reconciler
    from opsd.storage.model import RowLog

    store = compose.loop_store(repo, loop_id, overrides=_path_flags(arguments))
    settings = compose.pass_settings(
        repo,
        loop_id,
        kind,
        limits,
        store,
        max_events=max_events,
        from_start=arguments.switch("--from-start"),
        retry_attempts=retry_attempts,
        retry_backoff_s=retry_backoff_s,
        skip_line=skip_line,
        tuning=tuning,
        judge_liveness=arguments.switch("--liveness"),
        spare_finished=arguments.switch("--spare-finished"),
    )
    trace_id = arguments.optional("--trace-id", "OPS_MANAGER_TRACE_ID") or new_trace_id()
    reconciler = Reconciler(
        store,
        settings,
        judge=judge_of(store.location(RowLog.INTENTS), env),
        tuner=tuner(arguments, settings, env),
        dispatcher=_dispatcher(arguments, repo, loop_id, store, env) if alerts_enabled else None,
    )
    if base_url is None or kind == "local":
        return reconciler.run(compose.local_transport(repo, loop_id), trace_id)
    token = service_token(arguments)
    return (remote or _run_remote)(reconciler, loop_id, base_url, token, trace_id, env)


def _check_alerts(arguments: Arguments, env: Mapping[str, str]) -> bool:
    """Whether alerts are dispatched behind the pass.

    Raises:
        UsageError: neither true nor false.
    """
    value = arguments.given("--alerts-enabled")
    if value is None:
        value = env.get("OPS_MANAGER_ALERTS_ENABLED") or "true"
    if value not in ("true", "false"):
        raise UsageError(_ALERTS_MESSAGE)
    return value == "true"


def _dispatcher(
    arguments: Arguments, repo: str, loop_id: LoopId, store: LoopStore, env: Mapping[str, str]
) -> AlertDispatcher:
    from opsd.compose_alerts import AlertOptions, PassDispatcher
    from opsd.storage.model import RowLog

    options = AlertOptions(
        config_file=arguments.optional("--alert-config-file"),
        escalations_file=store.location(RowLog.ESCALATIONS),
        state_file=arguments.optional("--alert-dispatch-state-file"),
        telemetry_file=store.location(RowLog.ALERTS),
    )
    return PassDispatcher(repo, loop_id, options, env)


def _path_flags(arguments: Arguments) -> dict[Part, str]:
    from opsd.storage.model import Document, RowLog

    flags: dict[str, Part] = {
        "--cursor-file": Document.CURSOR,
        "--state-file": Document.STATE,
        "--sequence-state-file": Document.SEQUENCE,
        "--sequence-telemetry-file": RowLog.SEQUENCE,
        "--heartbeat-state-file": Document.HEARTBEAT,
        "--heartbeat-telemetry-file": RowLog.HEARTBEAT,
        "--alert-dispatch-telemetry-file": RowLog.ALERTS,
        "--drift-state-file": Document.DRIFT,
        "--drift-history-file": RowLog.DRIFT,
    }
    return {part: path for flag, part in flags.items() if (path := arguments.optional(flag)) is not None}


def client_program(base_url: str, token: str, loop_id: LoopId, env: Mapping[str, str]) -> BlockingTransport | None:
    """The transport over the operator's own client program (contract 20, 2.3); None where there is none."""
    program = env.get("OPS_MANAGER_SERVICE_CLIENT_SCRIPT")
    if not program:
        return None
    from opsd.transport.client_program import ClientProgramTransport

    return ClientProgramTransport(program, base_url, token, loop_id)


def allows_plaintext_token(env: Mapping[str, str]) -> bool:
    """May a token travel over plain HTTP to another host?"""
    return env.get(PLAINTEXT_VARIABLE, "").lower() in ("true", "1")


def _run_remote(
    reconciler: Reconciler, loop_id: LoopId, base_url: str, token: str, trace_id: str, env: Mapping[str, str]
) -> Outcome:
    """The pass over HTTP: with the operator's own client where there is one, else with ours."""
    replaced = client_program(base_url, token, loop_id, env)
    if replaced is not None:
        return reconciler.run(replaced, trace_id)

    import asyncio

    from opsd.transport.http_client import ServiceClient
    from opsd.transport.sprite_service import SpriteServiceTransport

    async def one_pass() -> Outcome:
        client = ServiceClient(allow_plaintext_token=allows_plaintext_token(env))
        try:
            transport = SpriteServiceTransport(client, base_url=base_url, loop_id=loop_id, token=token or None)
            in_thread = partial(asyncio.get_running_loop().run_in_executor, None)
            return await reconciler.run_async(transport, trace_id, in_thread)
        finally:
            await client.close()

    return asyncio.run(one_pass())

"""``opsd fleet handoff``: candidates as control intents; planned, confirmed, or dispatched within rails (80)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import as_typed, for_a_person, show
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.fleet.handoff.dispatch import Order
    from opsd.fleet.handoff.words import ExecutionMode

_TIMES_MESSAGE = "timeout and interval must be non-negative integers"

SPEC = CommandSpec(
    "opsd fleet handoff",
    "Turns the policy's candidates into control intents; carries them out only when told to.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--registry-file", "default <fleet>/registry.v1.json (<fleet> is .superloop/ops-manager/fleet)", "<path>"),
        Flag("--policy-state-file", "default <fleet>/policy-state.json", "<path>"),
        Flag("--handoff-state-file", "default <fleet>/handoff-state.json", "<path>"),
        Flag("--handoff-telemetry-file", "default <fleet>/telemetry/handoff.jsonl", "<path>"),
        Flag("--trace-id", "default the policy's, then $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--anew", "with keys that were never used, for what ended unclearly; as a new --trace-id does"),
        Flag("--idempotency-prefix", "first part of every key, default fleet-handoff", "<text>"),
        Flag("--execute", "carry out the pending intents; needs --confirm"),
        Flag("--autonomous-execute", "carry out the eligible intents; needs policy mode guarded_auto"),
        Flag("--confirm", "an operator confirms; only with --execute"),
        Flag("--loop", "only this loop's intents; may be given more than once", "<id>"),
        Flag("--intent-id", "only this intent; may be given more than once", "<id>"),
        Flag("--by", "who wants it, default $USER", "<name>"),
        Flag("--note", "why", "<text>"),
        Flag("--timeout-seconds", "how long an effect is looked for, default 30", "<n>"),
        Flag("--interval-seconds", "between two looks, default 2", "<n>"),
        Flag("--no-runtime-confirm", "do not look for effects"),
        Flag("--lock-wait-seconds", "wait that long for another run over this fleet, default 30", "<n>"),
        Flag("--pretty", "indent the output by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Plan or execute; 0 whatever became of the dispatched intents.

    Raises:
        OpsError: bad arguments or documents (nothing was recorded then), or something could not be written.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    prefix = arguments.given("--idempotency-prefix")
    if prefix == "":
        raise UsageError("--idempotency-prefix must be non-empty")
    times = [arguments.non_negative(flag, default, _TIMES_MESSAGE) for flag, default in _TIMES]
    lock_wait_s = arguments.non_negative("--lock-wait-seconds", 30)
    mode = execution_mode(arguments)
    loops, intent_ids = (_non_empty(arguments, flag) for flag in ("--loop", "--intent-id"))
    repo = absolute_repo(given_repo)

    from opsd import compose
    from opsd.cli.fleet.registry_step import normalized_registry
    from opsd.fleet.handoff.run import DEFAULT_PREFIX, Handoff, HandoffRequest
    from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
    from opsd.storage.fleet_store import FileFleetStore

    flags: dict[FleetPart, str] = {
        FleetDocument.REGISTRY: "--registry-file",
        FleetDocument.POLICY: "--policy-state-file",
        FleetDocument.HANDOFF: "--handoff-state-file",
        FleetLog.HANDOFF: "--handoff-telemetry-file",
    }
    store = FileFleetStore(repo, {part: path for part, flag in flags.items() if (path := arguments.optional(flag))})
    handoff = Handoff(
        store,
        partial(normalized_registry, repo, store.location(FleetDocument.REGISTRY)),
        compose.handoff_control(repo, os.environ),
        partial(compose.loop_is_controlled, repo),
        lock_wait_s=lock_wait_s,
    )
    request = HandoffRequest(
        prefix=prefix or DEFAULT_PREFIX,
        trace_id=arguments.optional("--trace-id") or (new_trace_id() if arguments.switch("--anew") else ""),
        fallback_trace_id=os.environ.get("OPS_MANAGER_TRACE_ID") or "",
        order=_order(arguments, mode, times),
        loops=loops,
        intent_ids=intent_ids,
    )
    state = handoff.run(request)
    present(arguments, state, as_typed(arguments, "--repo", *flags.values()))
    return 0


def present(arguments: Arguments, state: JsonObject, place: Sequence[str]) -> None:
    """Print the handoff state; ``place`` are the flags that the commands on the page repeat."""
    if not for_a_person(arguments):
        write_json(state, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.handoff_page import handoff_page

    show(handoff_page(state, place))


def _non_empty(arguments: Arguments, flag: str) -> list[str]:
    values = arguments.all(flag)
    if not all(values):
        raise UsageError(f"{flag} requires a non-empty value")
    return values


_TIMES = (("--timeout-seconds", 30), ("--interval-seconds", 2))


def execution_mode(arguments: Arguments) -> ExecutionMode | None:
    """Who orders an execution; None for a plan.

    Raises:
        UsageError: flags that do not go together, or no confirmation.
    """
    from opsd.fleet.handoff.words import ExecutionMode

    execute, autonomous = arguments.switch("--execute"), arguments.switch("--autonomous-execute")
    if arguments.switch("--anew") and not execute:
        raise UsageError("--anew can only be used with --execute")
    if arguments.switch("--anew") and arguments.optional("--trace-id") is not None:
        raise UsageError("--anew and --trace-id are mutually exclusive")
    if execute and autonomous:
        raise UsageError("--execute and --autonomous-execute are mutually exclusive")
    if arguments.switch("--confirm") and not execute:
        raise UsageError("--confirm can only be used with --execute")
    if execute and not arguments.switch("--confirm"):
        raise UsageError("--execute requires --confirm to enforce explicit operator confirmation")
    if execute:
        return ExecutionMode.MANUAL
    return ExecutionMode.AUTONOMOUS if autonomous else None


def _order(arguments: Arguments, mode: ExecutionMode | None, times: Sequence[int]) -> Order | None:
    if mode is None:
        return None
    from opsd.fleet.handoff.dispatch import Order

    by = arguments.given("--by")
    return Order(
        mode=mode,
        by=os.environ.get("USER") or "unknown" if by is None else by,
        note=arguments.given("--note") or "",
        timeout_s=times[0],
        interval_s=times[1],
        confirm=not arguments.switch("--no-runtime-confirm"),
    )

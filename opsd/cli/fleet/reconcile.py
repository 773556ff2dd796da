"""``opsd fleet reconcile``: one pass over every loop of the registry, and the fleet's rollup (contract 60, 3).

Two runs over one fleet never interleave: the fleet's lock is held from before the registry is read until the last row
is written. An interrupted run ends what it started and leaves the former rollup as it was.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.loop.judging import CONFIG, judging_flags
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, show
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.fleet.reconcile import LoopRunner
    from opsd.fleet.rollup import FleetOptions
    from opsd.storage.fleet_store import FileFleetStore

SPEC = CommandSpec(
    "opsd fleet reconcile",
    "One pass over every loop of the fleet's registry, some at a time. 0 whatever becomes of the loops.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag(
            "--registry-file",
            "default <fleet>/registry.v1.json, <fleet> = <repo>/.superloop/ops-manager/fleet",
            "<path>",
        ),
        Flag("--fleet-state-file", "default <fleet>/state.json", "<path>"),
        Flag("--fleet-telemetry-file", "default <fleet>/telemetry/reconcile.jsonl", "<path>"),
        Flag("--max-parallel", "loops at a time, default 2", "<n>"),
        Flag("--deterministic-order", "loops sorted by id, not in the registry's order"),
        Flag("--max-events", "ingest at most so many per loop, 0 = all (default)", "<n>"),
        Flag("--from-start", "begin at each journal's first line, whatever the cursors say"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--loop-timeout-seconds", "give a loop up after that long, default 300", "<n>"),
        Flag("--lock-wait-seconds", "wait that long for another run over this fleet, default 30", "<n>"),
        CONFIG,
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)

_LOOP_TIMEOUT_S = 300
_LOCK_WAIT_S = 30
#: Nobody waits for longer than a week.
_LONGEST_S = 7 * 86400


def main(argv: Sequence[str]) -> int:
    """Run the pass and print the fleet's state; 0 also when loops failed.

    Raises:
        OpsError: a bad argument or registry, a fleet without loops, or a lock that another run holds.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    max_parallel = arguments.positive("--max-parallel", 2)
    max_events = arguments.optional("--max-events")
    if max_events is not None:
        arguments.non_negative("--max-events", 0)
    deadline_s = min(arguments.positive("--loop-timeout-seconds", _LOOP_TIMEOUT_S), _LONGEST_S)
    lock_wait_s = min(arguments.non_negative("--lock-wait-seconds", _LOCK_WAIT_S), _LONGEST_S)
    repo = absolute_repo(given_repo)

    from opsd.contract.ids import new_trace_id
    from opsd.fleet.rollup import FleetOptions

    options = FleetOptions(
        trace_id=arguments.optional("--trace-id", "OPS_MANAGER_TRACE_ID") or new_trace_id(),
        max_parallel=max_parallel,
        deterministic_order=arguments.switch("--deterministic-order"),
        from_start=arguments.switch("--from-start"),
        max_events=max_events,
    )
    runner = _runner(repo, options, deadline_s, judging_flags(arguments))
    state = _run(repo, _store(arguments, repo), options, runner, deadline_s, lock_wait_s)
    present(arguments, state)
    return 0


def present(arguments: Arguments, state: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the fleet's state."""
    if not for_a_person(arguments):
        write_json(state, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.reconcile_page import fleet_page

    show(fleet_page(state))


def _run(
    repo: str, store: FileFleetStore, options: FleetOptions, runner: LoopRunner, deadline_s: float, lock_wait_s: float
) -> JsonObject:
    from opsd.cli.fleet.registry_step import normalized_registry
    from opsd.fleet.publish import prepare, publish
    from opsd.fleet.reconcile import reconcile_fleet
    from opsd.storage.fleet_parts import FleetDocument

    prepare(store)
    with _signals_end_in_order(), store.lock(wait_s=lock_wait_s):
        registry = normalized_registry(repo, store.location(FleetDocument.REGISTRY))
        state = reconcile_fleet(repo, registry, options, runner, env=dict(os.environ), deadline_s=deadline_s)
        publish(store, state)
    return state


def _store(arguments: Arguments, repo: str) -> FileFleetStore:
    from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
    from opsd.storage.fleet_store import FileFleetStore

    flags: dict[str, FleetPart] = {
        "--registry-file": FleetDocument.REGISTRY,
        "--fleet-state-file": FleetDocument.STATE,
        "--fleet-telemetry-file": FleetLog.RECONCILE,
    }
    given = {part: path for flag, part in flags.items() if (path := arguments.optional(flag)) is not None}
    return FileFleetStore(repo, given)


def _runner(repo: str, options: FleetOptions, deadline_s: float, judged_as: Sequence[str]) -> LoopRunner:
    from opsd.cli.fleet.runners import InProcessRunner, ProgramRunner

    program = os.environ.get("OPS_MANAGER_RECONCILE_SCRIPT")
    if program:
        return ProgramRunner(program, repo, options, deadline_s, judged_as)
    return InProcessRunner(repo, options, dict(os.environ), deadline_s=deadline_s, judged_as=judged_as)


@contextmanager
def _signals_end_in_order() -> Iterator[None]:
    """While the block lasts SIGTERM and SIGHUP are exceptions, so that what was started is ended (weakness 17)."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

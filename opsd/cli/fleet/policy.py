"""``opsd fleet policy``: who of the fleet is in trouble, and what may be done about it (contract 70). Executes nothing.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the policy state as it was published.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import as_typed, for_a_person, show
from opsd.contract.errors import ManagerFileError
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.storage.fleet_store import FileFleetStore

SPEC = CommandSpec(
    "opsd fleet policy",
    "Turns the latest fleet reconcile into reason-coded candidates and says which may be acted on. Executes nothing.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag(
            "--registry-file",
            "default <fleet>/registry.v1.json, <fleet> = <repo>/.superloop/ops-manager/fleet",
            "<path>",
        ),
        Flag("--fleet-state-file", "default <fleet>/state.json", "<path>"),
        Flag("--policy-state-file", "default <fleet>/policy-state.json", "<path>"),
        Flag("--governance-audit-file", "default <fleet>/telemetry/policy-governance.jsonl", "<path>"),
        Flag("--handoff-telemetry-file", "default <fleet>/telemetry/handoff.jsonl", "<path>"),
        Flag("--policy-telemetry-file", "default <fleet>/telemetry/policy.jsonl", "<path>"),
        Flag("--policy-history-file", "default <fleet>/telemetry/policy-history.jsonl", "<path>"),
        Flag("--dedupe-window-seconds", "default policy.noiseControls.dedupeWindowSeconds, 0 = no dedupe", "<n>"),
        Flag("--max-fleet-state-age-seconds", "nothing is eligible on an older fleet state; default any age", "<n>"),
        Flag("--autopause-skip-empty", "executions that attempted nothing do not count for auto-pause"),
        Flag("--trace-id", "default the fleet state's, else $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--lock-wait-seconds", "wait that long for another run over this fleet, default 30", "<n>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)

_LOCK_WAIT_S = 30


def main(argv: Sequence[str]) -> int:
    """Evaluate, record, publish, print; 0 whether or not anything is required.

    Raises:
        OpsError: an argument or input that cannot be used (nothing is written then), or a write that failed.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    max_age = "--max-fleet-state-age-seconds"
    max_age_s = None if arguments.given(max_age) is None else arguments.non_negative(max_age, 0)
    lock_wait_s = arguments.non_negative("--lock-wait-seconds", _LOCK_WAIT_S)
    repo = absolute_repo(given_repo)

    from opsd.cli.fleet.registry_step import normalized_registry
    from opsd.fleet.policy.run import PolicyRequest, run_policy
    from opsd.storage.fleet_parts import FleetDocument

    store = _store(arguments, repo)
    if not store.exists(FleetDocument.STATE):  # before anything is created, the lock included
        raise ManagerFileError(f"fleet state file not found: {store.location(FleetDocument.STATE)}")
    request = PolicyRequest(
        trace_id=arguments.optional("--trace-id") or "",
        fallback_trace_id=os.environ.get("OPS_MANAGER_TRACE_ID", ""),
        dedupe_window_s=arguments.given("--dedupe-window-seconds"),
        max_fleet_state_age_s=max_age_s,
        skip_empty_executions=arguments.switch("--autopause-skip-empty"),
    )
    with store.lock(wait_s=lock_wait_s):
        registry = normalized_registry(repo, store.location(FleetDocument.REGISTRY))
        state = run_policy(store, registry, request, clock=time.time)
    present(arguments, state, as_typed(arguments, "--repo", "--policy-state-file"))
    return 0


def present(arguments: Arguments, state: JsonObject, place: Sequence[str]) -> None:
    """Print the policy state; ``place`` are the flags that a command on the page repeats."""
    if not for_a_person(arguments):
        write_json(state, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.policy_page import policy_page

    show(policy_page(state, place))


def _store(arguments: Arguments, repo: str) -> FileFleetStore:
    from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
    from opsd.storage.fleet_store import FileFleetStore

    flags: dict[str, FleetPart] = {
        "--registry-file": FleetDocument.REGISTRY,
        "--fleet-state-file": FleetDocument.STATE,
        "--policy-state-file": FleetDocument.POLICY,
        "--governance-audit-file": FleetLog.GOVERNANCE,
        "--handoff-telemetry-file": FleetLog.HANDOFF,
        "--policy-telemetry-file": FleetLog.POLICY,
        "--policy-history-file": FleetLog.POLICY_HISTORY,
    }
    given = {part: path for flag, part in flags.items() if (path := arguments.optional(flag)) is not None}
    return FileFleetStore(repo, given)

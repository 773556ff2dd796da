"""``opsd horizon-bridge``: one pass of the bridge from a Horizon outbox to the operator's queue (contract 97).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the state of the pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, tell
from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.layout import absolute_repo

SPEC = CommandSpec(
    "opsd horizon-bridge",
    "Moves what a Horizon producer left in the outbox into a queue of intents that wait for an operator.\n"
    "Relative paths are relative to the repo. Outbox and claims have to lie on one file system.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--outbox-dir", "default <repo>/.superloop/horizons/outbox", "<path>"),
        Flag("--claims-dir", "default <fleet>/horizon-bridge-claims; <fleet> = .superloop/ops-manager/fleet", "<path>"),
        Flag("--queue-file", "default <fleet>/horizon-bridge-queue.json", "<path>"),
        Flag("--state-file", "default <fleet>/horizon-bridge-state.json", "<path>"),
        Flag("--telemetry-file", "default <fleet>/telemetry/horizon-bridge.jsonl", "<path>"),
        Flag("--max-files", "files that are claimed at most, default 0: all", "<n>"),
        Flag("--retention-days", "forget finished files and their keys after that many days, default 0: never", "<n>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={2: "an envelope was rejected"},
)


def main(argv: Sequence[str]) -> int:
    """Run one pass and print its state; 0, or 2 when a file broke the envelope contract and was rejected.

    Raises:
        OpsError: bad arguments, a prior queue or state that is damaged, another bridge at work, a file that cannot
            be written.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    max_files = arguments.non_negative("--max-files", 0, "--max-files must be an integer >= 0")
    retention_days = arguments.non_negative("--retention-days", 0, "--retention-days must be an integer >= 0")
    repo = absolute_repo(given_repo)

    from opsd.contract.ids import TraceId, new_trace_id
    from opsd.horizon.bridge import BridgeOptions, run_bridge
    from opsd.storage.bridge_store import BridgeStore

    store = BridgeStore(
        repo,
        outbox_dir=arguments.given("--outbox-dir") or "",
        claims_dir=arguments.given("--claims-dir") or "",
        queue_file=arguments.given("--queue-file") or "",
        state_file=arguments.given("--state-file") or "",
        telemetry_file=arguments.given("--telemetry-file") or "",
    )
    trace_id = TraceId(arguments.optional("--trace-id", "OPS_MANAGER_TRACE_ID") or new_trace_id())
    result = run_bridge(store, trace_id, BridgeOptions(max_files=max_files, retention_days=retention_days))
    present(arguments, result.state)
    return 2 if result.rejected else 0


def present(arguments: Arguments, state: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the state of a pass."""

    def page() -> Page:
        from opsd.cli.horizon_page import bridge_page

        return bridge_page(state)

    tell(arguments, state, page)

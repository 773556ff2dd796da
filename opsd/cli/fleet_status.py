"""``opsd fleet status``: what is known of the fleet, from the documents of its steps; writes nothing (contract 75).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the contract's document.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.contract.errors import UsageError
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.fleet.status.inputs import FleetStatusInputs
    from opsd.storage.fleet_store import FleetPart, FleetStore

SPEC = CommandSpec(
    "opsd fleet status",
    "The fleet in one document: health, exceptions, what the policy proposes, what was and waits to be carried out.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--registry-file", "default <fleet>/registry.v1.json (<fleet> is .superloop/ops-manager/fleet)", "<path>"),
        Flag("--fleet-state-file", "default <fleet>/state.json", "<path>"),
        Flag("--policy-state-file", "default <fleet>/policy-state.json", "<path>"),
        Flag("--fleet-telemetry-file", "default <fleet>/telemetry/reconcile.jsonl", "<path>"),
        Flag("--handoff-state-file", "default <fleet>/handoff-state.json", "<path>"),
        Flag("--handoff-telemetry-file", "default <fleet>/telemetry/handoff.jsonl", "<path>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)

#: Path flags that ``opsd fleet handoff`` knows too: the commands that the page shows repeat them.
_HANDOFF_FLAGS = ("--registry-file", "--policy-state-file", "--handoff-state-file", "--handoff-telemetry-file")


def main(argv: Sequence[str]) -> int:
    """Print the status; 0 whatever the health of the fleet.

    Raises:
        OpsError: bad arguments, no fleet state, a registry or a document that cannot be used.
    """
    arguments = SPEC.parse(argv)
    repo = absolute_repo(arguments.required("--repo"))

    from opsd.fleet.status.document import fleet_status
    from opsd.storage.fleet_store import FileFleetStore

    overrides = {part: path for part, flag in _flags().items() if (path := arguments.optional(flag))}
    inputs = _read(repo, FileFleetStore(repo, overrides))
    document = fleet_status(inputs)
    if sys.stdout.isatty() and not arguments.switch("--pretty"):
        from opsd.cli.fleet_handoff_page import show
        from opsd.cli.fleet_status_page import fleet_status_page

        given = [
            part for flag in ("--repo", *_HANDOFF_FLAGS) if (path := arguments.given(flag)) for part in (flag, path)
        ]
        show(fleet_status_page(document, inputs.policy, inputs.handoff, given))
    else:
        write_json(document, pretty=arguments.switch("--pretty"))
    return 0


def _flags() -> dict[FleetPart, str]:
    """The path flags, in the order of ``files`` (5.11)."""
    from opsd.storage.fleet_store import FleetDocument, FleetLog

    return {
        FleetDocument.REGISTRY: "--registry-file",
        FleetDocument.STATE: "--fleet-state-file",
        FleetDocument.POLICY: "--policy-state-file",
        FleetLog.RECONCILE: "--fleet-telemetry-file",
        FleetDocument.HANDOFF: "--handoff-state-file",
        FleetLog.HANDOFF: "--handoff-telemetry-file",
    }


def _read(repo: str, store: FleetStore) -> FleetStatusInputs:
    """All inputs in the contract's order (section 3)."""
    from opsd.cli.fleet_registry_step import normalized_registry
    from opsd.contract.timestamps import format_utc
    from opsd.fleet.documents import Document, parse
    from opsd.fleet.status.inputs import FleetStatusInputs
    from opsd.storage.fleet_store import FleetDocument, FleetLog

    def document(part: FleetDocument, what: str) -> Document | None:
        return parse(store.read(part), f"invalid {what} JSON: {store.location(part)}")

    fleet_file = store.location(FleetDocument.STATE)
    fleet_bytes = store.read(FleetDocument.STATE)
    if fleet_bytes is None:
        raise UsageError(f"fleet state file not found: {fleet_file}")
    registry = normalized_registry(repo, store.location(FleetDocument.REGISTRY))
    broken = f"invalid fleet state JSON: {fleet_file}"
    return FleetStatusInputs(
        repo=repo,
        registry_fleet_id=registry.get("fleetId"),
        fleet=parse(fleet_bytes, broken) or Document({}, broken),
        policy=document(FleetDocument.POLICY, "policy state"),
        reconcile_row=store.newest_row(FleetLog.RECONCILE),
        handoff=document(FleetDocument.HANDOFF, "handoff state"),
        handoff_row=store.newest_row(FleetLog.HANDOFF),
        files={name: store.location(part) for name, part in zip(_FILE_NAMES, _flags(), strict=True)},
        now=format_utc(time.time()),
    )


_FILE_NAMES = (
    "registryFile",
    "fleetStateFile",
    "policyStateFile",
    "fleetTelemetryFile",
    "handoffStateFile",
    "handoffTelemetryFile",
)

"""``opsd fleet status``: what is known of the fleet, from the documents of its steps; writes nothing (contract 75).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the contract's document.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import as_typed, for_a_person, show
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.fleet.documents import Document
    from opsd.storage.fleet_parts import FleetPart

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

    from opsd.cli.fleet.registry_step import normalized_registry
    from opsd.fleet.status.document import fleet_status
    from opsd.fleet.status.read import read_status_inputs
    from opsd.storage.fleet_parts import FleetDocument
    from opsd.storage.fleet_store import FileFleetStore

    overrides = {part: path for part, flag in _flags().items() if (path := arguments.optional(flag))}
    store = FileFleetStore(repo, overrides)
    registry = partial(normalized_registry, repo, store.location(FleetDocument.REGISTRY))
    inputs = read_status_inputs(repo, store, registry, clock=time.time)
    document = fleet_status(inputs)
    place = as_typed(arguments, "--repo", *_HANDOFF_FLAGS)
    present(arguments, document, place, policy=inputs.policy, handoff=inputs.handoff)
    return 0


def present(
    arguments: Arguments,
    document: JsonObject,
    place: Sequence[str],
    *,
    policy: Document | None,
    handoff: Document | None,
) -> None:
    """Print the status; the page also needs the documents of policy and handoff, and its commands repeat ``place``."""
    if not for_a_person(arguments):
        write_json(document, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.status_page import fleet_status_page

    show(fleet_status_page(document, policy, handoff, place))


def _flags() -> dict[FleetPart, str]:
    """The path flags by what they name."""
    from opsd.storage.fleet_parts import FleetDocument, FleetLog

    return {
        FleetDocument.REGISTRY: "--registry-file",
        FleetDocument.STATE: "--fleet-state-file",
        FleetDocument.POLICY: "--policy-state-file",
        FleetLog.RECONCILE: "--fleet-telemetry-file",
        FleetDocument.HANDOFF: "--handoff-state-file",
        FleetLog.HANDOFF: "--handoff-telemetry-file",
    }

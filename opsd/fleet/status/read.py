"""Reading what fleet status is made of, in the contract's order (contract 75, 3). Writes nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Callable

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.fleet.documents import Document, parse
from opsd.fleet.status.inputs import FleetStatusInputs
from opsd.storage.fleet_store import FleetDocument, FleetLog, FleetPart, FleetStore

#: The keys of ``files``, in their order (5.11).
_FILES: dict[str, FleetPart] = {
    "registryFile": FleetDocument.REGISTRY,
    "fleetStateFile": FleetDocument.STATE,
    "policyStateFile": FleetDocument.POLICY,
    "fleetTelemetryFile": FleetLog.RECONCILE,
    "handoffStateFile": FleetDocument.HANDOFF,
    "handoffTelemetryFile": FleetLog.HANDOFF,
}


def read_inputs(
    repo: str, store: FleetStore, read_registry: Callable[[], JsonObject], *, now: float
) -> FleetStatusInputs:
    """All inputs; ``read_registry`` gives the normalized registry, ``now`` is in seconds since 1970.

    Raises:
        UsageError: there is no fleet state.
        ManagerFileError: a document is not one JSON object.
        OpsError: the registry cannot be used.
    """

    def document(part: FleetDocument, what: str) -> Document | None:
        return parse(store.read(part), f"invalid {what} JSON: {store.location(part)}")

    fleet_file = store.location(FleetDocument.STATE)
    fleet_bytes = store.read(FleetDocument.STATE)
    if fleet_bytes is None:
        raise UsageError(f"fleet state file not found: {fleet_file}")
    registry = read_registry()
    broken = f"invalid fleet state JSON: {fleet_file}"
    return FleetStatusInputs(
        repo=repo,
        registry_fleet_id=registry.get("fleetId"),
        fleet=parse(fleet_bytes, broken) or Document({}, broken),
        policy=document(FleetDocument.POLICY, "policy state"),
        reconcile_row=store.newest_row(FleetLog.RECONCILE),
        handoff=document(FleetDocument.HANDOFF, "handoff state"),
        handoff_row=store.newest_row(FleetLog.HANDOFF),
        files={name: store.location(part) for name, part in _FILES.items()},
        now=format_utc(now),
    )

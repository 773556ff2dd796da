"""Reads what a fleet status is made from, in the contract's order (contract 75, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.fleet.documents import Document, parse
from opsd.fleet.status.inputs import FleetStatusInputs
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
from opsd.storage.fleet_port import FleetStore

#: Name in the output's ``files`` (5.11) -> part, in the contract's order.
STATUS_FILES: dict[str, FleetPart] = {
    "registryFile": FleetDocument.REGISTRY,
    "fleetStateFile": FleetDocument.STATE,
    "policyStateFile": FleetDocument.POLICY,
    "fleetTelemetryFile": FleetLog.RECONCILE,
    "handoffStateFile": FleetDocument.HANDOFF,
    "handoffTelemetryFile": FleetLog.HANDOFF,
}


def read_status_inputs(
    repo: str, store: FleetStore, registry: Callable[[], JsonObject], *, clock: Callable[[], float]
) -> FleetStatusInputs:
    """All inputs.

    Args:
        registry: the normalized registry; asked once there is a fleet state.
        clock: seconds since 1970.

    Raises:
        OpsError: there is no fleet state, what ``registry`` raises, or a document that cannot be used.
    """

    def document(part: FleetDocument, what: str) -> Document | None:
        return parse(store.read(part), f"invalid {what} JSON: {store.location(part)}")

    fleet_file = store.location(FleetDocument.STATE)
    fleet_bytes = store.read(FleetDocument.STATE)
    if fleet_bytes is None:
        raise UsageError(f"fleet state file not found: {fleet_file}")
    registry_fleet_id = registry().get("fleetId")
    broken = f"invalid fleet state JSON: {fleet_file}"
    return FleetStatusInputs(
        repo=repo,
        registry_fleet_id=registry_fleet_id,
        fleet=parse(fleet_bytes, broken) or Document({}, broken),
        policy=document(FleetDocument.POLICY, "policy state"),
        reconcile_row=store.newest_row(FleetLog.RECONCILE),
        handoff=document(FleetDocument.HANDOFF, "handoff state"),
        handoff_row=store.newest_row(FleetLog.HANDOFF),
        files={name: store.location(part) for name, part in STATUS_FILES.items()},
        now=format_utc(clock()),
    )

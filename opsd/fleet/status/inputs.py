"""What a fleet status is made from (contract 75, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.fleet.documents import Document


@dataclass(frozen=True, slots=True)
class FleetStatusInputs:
    """The newest documents and rows; None where there is none.

    Args:
        registry_fleet_id: the fleet's name in the registry.
        reconcile_row, handoff_row: the last rows of the two telemetry files.
        files: name in the output -> path, in the contract's order.
        now: the wire timestamp of the run.
    """

    repo: str
    registry_fleet_id: JsonValue
    fleet: Document
    policy: Document | None
    handoff: Document | None
    reconcile_row: JsonObject | None
    handoff_row: JsonObject | None
    files: Mapping[str, str]
    now: str

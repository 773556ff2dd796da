"""Promotion: what its steps have published."""

from __future__ import annotations

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore

_STATES = {
    "decision": FleetDocument.PROMOTION,
    "apply": FleetDocument.PROMOTION_APPLY,
    "controller": FleetDocument.PROMOTION_CONTROLLER,
}


def states(store: FleetStore) -> JsonObject:
    """The newest document of each step; null where there is none. Blocking.

    Raises:
        ManagerFileError: one is not a JSON object.
    """
    return {name: _read(store, part) for name, part in _STATES.items()}


def _read(store: FleetStore, part: FleetDocument) -> JsonObject | None:
    data = store.read(part)
    if data is None:
        return None
    document = jsoncodec.object_in(data)
    if document is None:
        raise ManagerFileError(f"invalid promotion state JSON: {store.location(part)}")
    return document

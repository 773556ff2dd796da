"""Putting a fleet's rollup where every other step finds it (contract 60, 3.7; weaknesses 16 and 18).

The caller holds the fleet's lock.
"""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.rollup import telemetry_row
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

#: A row holds every loop's result. The telemetry of about 100 passes over 1,000 loops stays, and as much again.
_ROTATE_TELEMETRY_OVER_BYTES = 64 * 1024 * 1024


def prepare(store: FleetStore) -> None:
    """Make sure that a rollup can be written, before anything is done for it."""
    store.prepare(FleetDocument.STATE, FleetLog.RECONCILE)


def publish(store: FleetStore, state: JsonObject) -> None:
    """Replace the fleet's state, then append its telemetry row.

    Raises:
        ManagerFileError: one of them could not be written.
    """
    store.replace(FleetDocument.STATE, state)
    store.append(FleetLog.RECONCILE, [telemetry_row(state)], rotate_over=_ROTATE_TELEMETRY_OVER_BYTES)

"""Controller runs whose process died between the start of an apply and their record (contract 95, weakness 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.promotion.controller.decide import Verification
from opsd.promotion.controller.words import Reason
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore
from opsd.storage.run_journal import ABANDONED, RECORDED
from opsd.storage.store import parse_row


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One such run.

    Attributes:
        record: unfinished, its apply taken for done; whether it was is not known.
        verification: the one that failed, when the run was about to roll back; else None.
        registry_before: digest of the registry before the apply; None when there was none to read.
    """

    run_id: str
    record: JsonObject
    verification: Verification | None
    registry_before: str | None


def unfinished(store: FleetStore) -> list[Unfinished]:
    """Every unfinished run of the store's telemetry, oldest first. The caller holds the controllers' lock.

    A run that only lacks its last row in the journal is given it, and the state that it may not have left.

    Raises:
        ManagerFileError: something could not be written.
    """
    journal = store.journal(FleetLog.PROMOTION_CONTROLLER)
    found = []
    for run_id, rows in journal.open_runs().items():
        run = _run(run_id, rows)
        recorded = None if run is None else _recorded(store, run)
        if run is not None and recorded is None:
            found.append(run)
            continue
        if recorded is not None:
            store.replace(FleetDocument.PROMOTION_CONTROLLER, recorded)
        journal.append(run_id, ABANDONED if run is None else RECORDED)
    return found


def _run(run_id: str, rows: Sequence[JsonObject]) -> Unfinished | None:
    record = rows[0].get("record")
    if not isinstance(record, dict):
        return None
    before = rows[0].get("registryBefore")
    before = before if isinstance(before, str) else None
    failed = next((row["verification"] for row in rows if isinstance(row.get("verification"), dict)), None)
    if failed is None:
        return Unfinished(run_id, record, None, before)
    reason = get(failed, "reason")
    known = Reason(reason) if reason in tuple(Reason) else Reason.VERIFY_FAILED
    return Unfinished(run_id, record, Verification(True, get(failed, "decision"), known), before)


def _recorded(store: FleetStore, run: Unfinished) -> JsonObject | None:
    """The run's row in the telemetry; looked for as far back as rows are not older than it."""
    for line in store.lines_backwards(FleetLog.PROMOTION_CONTROLLER):
        row = parse_row(line)
        if row.get("runId") == run.run_id:
            return row
        timestamp = row.get("timestamp")
        if isinstance(timestamp, str) and timestamp < str(run.record.get("timestamp")):
            break
    return None

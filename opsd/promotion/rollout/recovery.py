"""Completing what a dead apply left behind, before anything else is applied (contract 95, weakness 5)."""

from __future__ import annotations

import os

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.promotion.rollout.settle import Settled, digest, settle
from opsd.promotion.rollout.words import Intent
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore
from opsd.storage.run_journal import ABANDONED, RECORDED
from opsd.storage.store import parse_row


def recover(store: FleetStore) -> None:
    """Record every abandoned apply to the store's registry that has changed it. The caller holds the registry's lock.

    Applies to another registry are left alone: their processes may live.

    Raises:
        ManagerFileError: something could not be written.
    """
    journal = store.journal(FleetLog.PROMOTION_APPLY)
    location = os.path.abspath(store.location(FleetDocument.REGISTRY))
    for run_id, rows in journal.open_runs().items():
        started = rows[0]
        if started.get("registryFile") != location:
            continue
        record = started.get("record")
        settled = _settle(started, digest(store.read(FleetDocument.REGISTRY)))
        if settled is Settled.NOT_APPLIED or not isinstance(record, dict):
            journal.append(run_id, ABANDONED)
            continue
        if not _is_recorded(store, run_id, record):
            store.append(FleetLog.PROMOTION_APPLY, [{**record, "recovered": settled.value}], durable=True)
        store.replace(FleetDocument.PROMOTION_APPLY, {**record, "recovered": settled.value})
        journal.append(run_id, RECORDED)


def recover_now(store: FleetStore, *, wait_s: float) -> None:
    """:func:`recover` for a caller that does not hold the registry's lock; costs one read where nothing was left.

    Raises:
        LockTimeoutError: an apply is at work.
        ManagerFileError: something could not be written.
    """
    if store.journal(FleetLog.PROMOTION_APPLY).open_runs():
        with store.editing(FleetDocument.REGISTRY, wait_s=wait_s):
            recover(store)


def _settle(started: JsonObject, now: str) -> Settled:
    before, after, intent = started.get("before"), started.get("after"), get(started, "record", "intent")
    if not isinstance(before, str) or not isinstance(after, str) or intent not in tuple(Intent):
        return Settled.NOT_APPLIED
    return settle(Intent(intent), before, after, now)


def _is_recorded(store: FleetStore, apply_id: str, record: JsonObject) -> bool:
    """The log holds the record already; looked for as far back as rows are not older than it."""
    for line in store.lines_backwards(FleetLog.PROMOTION_APPLY):
        row = parse_row(line)
        if row.get("applyId") == apply_id:
            return True
        timestamp = row.get("timestamp")
        if isinstance(timestamp, str) and timestamp < str(record.get("timestamp")):
            return False
    return False

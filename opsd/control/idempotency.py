"""One execution per idempotency key: reserved on disk before the command runs, answered from the record afterwards.

Guarantees (contract 30, 6.6 and weaknesses 1 to 4): a key that is reserved or recorded is never executed again, also
across a crash; a key belongs to one request; a file that cannot be read executes nothing. Records are kept for a day
at least. All of it is blocking, and excludes other processes by a lock.
"""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import first_present, get
from opsd.storage import files, locks
from opsd.storage.layout import ManagerLayout
from opsd.storage.store import parse_document

#: Records beyond this number are dropped once they are older than a day.
MAX_RECORDS = 1000
_KEEP_S = 24 * 3600
_LOCK_WAIT_S = 10.0
#: What stands in a record beside the response, and is not answered.
_OURS = ("state", "fingerprint", "reservedAt", "recordedAt")


class KeyConflictError(OpsError):
    """The key was used for another request."""

    default_code = "idempotency_conflict"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a key of a sprite service's control is bound to."""

    loop_id: str
    intent: str
    no_confirm: bool

    def document(self) -> JsonObject:
        """As it is recorded."""
        return {"loopId": self.loop_id, "intent": self.intent, "noConfirm": self.no_confirm}


class IdempotencyRecords:
    """The records of one loop, ``service-idempotency.json``."""

    def __init__(self, repo: str, loop_id: LoopId, *, clock: Callable[[], float] = clocks.time) -> None:
        self._path = ManagerLayout(repo, loop_id).idempotency_file
        folder, name = os.path.split(self._path)
        self._lock_path = f"{folder}/.{name.removesuffix('.json')}.lock"
        self._clock = clock

    def reserve(self, key: str, fingerprint: Fingerprint, *, look_only: bool = False) -> JsonObject | None:
        """The response of the first request with the key, marked as a replay; None when there was none.

        Then the key is reserved and ours, unless ``look_only``.

        Raises:
            KeyConflictError: the key was used for another request.
            ManagerFileError: the records cannot be read or written. Nothing may be executed then.
        """
        with locks.exclusive(self._lock_path, wait_s=_LOCK_WAIT_S):
            records = self._load()
            record = records.get(key)
            if record is not None:
                if not isinstance(record, dict):
                    raise ManagerFileError(f"invalid idempotency records: {self._path}")
                return _replay(record, fingerprint)
            if look_only:
                return None
            records[key] = {
                "ok": False,
                "exitCode": 2,
                "replayed": False,
                "stderr": "the outcome of this request is not known: look at the loop before you repeat it",
                "state": "reserved",
                "fingerprint": fingerprint.document(),
                "reservedAt": format_utc(self._clock()),
            }
            self._save(records)
            return None

    def settle(self, key: str, fingerprint: Fingerprint, response: JsonObject) -> None:
        """Record the response of a reserved key.

        Raises:
            ManagerFileError: it cannot be written; the reservation stays, and answers as ambiguous.
        """
        with locks.exclusive(self._lock_path, wait_s=_LOCK_WAIT_S):
            records = self._load()
            now = format_utc(self._clock())
            records[key] = {
                **response,
                "state": "completed",
                "fingerprint": fingerprint.document(),
                "reservedAt": first_present(get(records, key, "reservedAt"), now),
                "recordedAt": now,
            }
            self._save(records)

    def _load(self) -> JsonObject:
        data = files.read_bytes(self._path)
        if data is None:
            return {}
        records = parse_document(data)
        if records is None:
            raise ManagerFileError(f"invalid idempotency records: {self._path}")
        return records

    def _save(self, records: JsonObject) -> None:
        if len(records) > MAX_RECORDS:
            old = format_utc(self._clock() - _KEEP_S)
            for key in [key for key, record in records.items() if _recorded_before(record, old)]:
                if len(records) <= MAX_RECORDS:
                    break
                del records[key]
        files.replace_file(self._path, jsoncodec.dumps(records) + b"\n", durable=True)


def _replay(record: JsonObject, fingerprint: Fingerprint) -> JsonObject:
    bound = record.get("fingerprint")
    if isinstance(bound, dict) and bound != fingerprint.document():
        raise KeyConflictError("the idempotency key was used for another request")
    return {key: value for key, value in record.items() if key not in _OURS} | {"replayed": True}


def _recorded_before(record: object, moment: str) -> bool:
    at = parse_epoch(first_present(get(record, "recordedAt"), get(record, "reservedAt"), None))
    return at is not None and at < (parse_epoch(moment) or 0)

"""What became of requests that carried a key, a file for each: the cost follows the request, not how many there were.

A key is taken on disk before anything is done, so one that was taken or settled is never carried out again, also
across a crash. Keys belong to their owner. Records are kept for a day at least, and only so many for each owner.
"""

from __future__ import annotations

import hashlib
import math
import os
import time as clocks
from collections.abc import Callable

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, locks
from opsd.storage.store import parse_document

#: Records of one owner; when there are as many, those that are older than a day make room.
MAX_RECORDS = 5000
_KEEP_S = 24 * 3600.0
_LOCK_WAIT_S = 10.0


class KeysFullError(OpsError):
    """The owner's keys of the last day are as many as are kept; ``retry_after_s`` until the oldest is a day old."""

    def __init__(self, owner: str, limit: int, retry_after_s: int) -> None:
        super().__init__(f"{owner} has used {limit} idempotency keys within a day, and no more are kept")
        self.retry_after_s = retry_after_s


class KeyRecords:
    """Records in ``<folder>/<owner>``, named by the hash of their key. An owner is fit to name a folder. Blocking."""

    def __init__(self, folder: str, *, limit: int = MAX_RECORDS, clock: Callable[[], float] = clocks.time) -> None:
        self._folder = folder
        self._limit = limit
        self._clock = clock

    def take(self, owner: str, key: str, record: JsonObject) -> JsonObject | None:
        """What is recorded under the key; None: it was free, and is taken now with ``record``.

        Raises:
            KeysFullError: the key was free, and there is no room for it.
            LockTimeoutError: others held the owner's records for ten seconds.
            ManagerFileError: the record cannot be read or written. Nothing may be carried out then.
        """
        path = self._path(owner, key)
        folder = os.path.dirname(path)
        with locks.exclusive(f"{folder}/.lock", wait_s=_LOCK_WAIT_S, busy="another request takes a key"):
            known = self._read(path)
            if known is None:
                self._make_room(owner, folder)
                self._write(path, record)
            return known

    def settle(self, owner: str, key: str, record: JsonObject) -> None:
        """Record what became of a request whose key was taken.

        Raises:
            ManagerFileError: it cannot be written; the key stays taken.
        """
        self._write(self._path(owner, key), record)

    def free(self, owner: str, key: str) -> None:
        """Give a key back under which nothing was done.

        Raises:
            ManagerFileError: it is still there; the key stays taken.
        """
        files.remove_file(self._path(owner, key))

    def _path(self, owner: str, key: str) -> str:
        return f"{self._folder}/{owner}/{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _read(self, path: str) -> JsonObject | None:
        data = files.read_bytes(path)
        if data is None:
            return None
        record = parse_document(data)
        if record is None:
            raise ManagerFileError(f"invalid record of an idempotency key: {path}")
        return record

    def _write(self, path: str, record: JsonObject) -> None:
        files.replace_file(path, jsoncodec.dumps(record) + b"\n", durable=True, mode=0o600)

    def _make_room(self, owner: str, folder: str) -> None:
        if len(os.listdir(folder)) <= self._limit:  # the lock is one of them
            return
        old = self._clock() - _KEEP_S
        young: list[float] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.endswith(".json"):
                    continue
                try:
                    moment = entry.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:  # given back meanwhile, which needs no lock
                    continue
                if moment < old:
                    files.remove_quietly(entry.path)
                else:
                    young.append(moment)
        if len(young) >= self._limit:
            raise KeysFullError(owner, self._limit, max(1, math.ceil(min(young) - old)))

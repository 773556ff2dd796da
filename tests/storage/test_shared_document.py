"""A document that several change: each change whole, alone, and under its own lock."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from opsd.contract.errors import LockTimeoutError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import locks
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from opsd.storage.shared_document import SharedDocument


def counted(data: bytes | None) -> tuple[JsonObject, int]:
    count = json.loads(data)["count"] + 1 if data else 1
    return {"count": count}, count


@pytest.fixture
def document(tmp_path: Path) -> SharedDocument:
    return SharedDocument(str(tmp_path / "deep" / "doc.json"), durable=True)


def test_a_change_sees_what_the_one_before_left(document: SharedDocument) -> None:
    assert document.read() is None
    assert [document.update(counted, wait_s=1) for _ in range(3)] == [1, 2, 3]
    assert document.read() == b'{"count":3}\n'


def test_changes_at_the_same_time_are_all_kept(document: SharedDocument) -> None:
    threads = [threading.Thread(target=document.update, args=(counted,), kwargs={"wait_s": 60}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert document.read() == b'{"count":8}\n'


def test_nothing_to_write_and_an_error_leave_it_as_it_is(document: SharedDocument) -> None:
    def refuse(_data: bytes | None) -> tuple[JsonObject | None, None]:
        raise UsageError("no")

    document.update(counted, wait_s=1)
    assert document.update(lambda data: (None, data), wait_s=1) == b'{"count":1}\n'
    with pytest.raises(UsageError):
        document.update(refuse, wait_s=1)
    assert document.update(counted, wait_s=1) == 2, "the lock was given up"


def test_who_cannot_get_the_lock_says_so(document: SharedDocument) -> None:
    document.update(counted, wait_s=1)
    lock = str(Path(document.location).parent / ".doc.json.lock")
    with locks.exclusive(lock, wait_s=1), pytest.raises(LockTimeoutError, match="other processes hold"):
        document.update(counted, wait_s=0)


def test_a_pass_over_the_fleet_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = FileFleetStore(str(tmp_path))
    with store.lock(wait_s=1):
        assert store.shared(FleetDocument.SINK_HEALTH, durable=False).update(counted, wait_s=0) == 1

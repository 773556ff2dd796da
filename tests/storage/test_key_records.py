"""Records of request keys: taken once, given back, bounded; whoever gives one back meanwhile stops nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsd.storage.key_records import KeyRecords, KeysFullError

_DAY_S = 86_400.0


def test_a_key_is_taken_once_for_each_owner_and_may_be_given_back(tmp_path: Path) -> None:
    records = KeyRecords(str(tmp_path))
    assert records.take("ann", "k", {"n": 1}) is None
    assert records.take("ann", "k", {"n": 2}) == {"n": 1}
    assert records.take("bob", "k", {"n": 3}) is None
    records.settle("ann", "k", {"n": 1, "answer": {}})
    assert records.take("ann", "k", {"n": 2}) == {"n": 1, "answer": {}}
    records.free("ann", "k")
    assert records.take("ann", "k", {"n": 4}) is None


def test_old_records_make_room_and_young_ones_stay(tmp_path: Path) -> None:
    now = 1_000_000.0
    records = KeyRecords(str(tmp_path), limit=2, clock=lambda: now)
    for key, age_s in (("old", _DAY_S + 1), ("young", 60.0)):
        records.take("ann", key, {"key": key})
        (path,) = (one for one in (tmp_path / "ann").glob("*.json") if key in one.read_text())
        os.utime(path, (now - age_s, now - age_s))
    assert records.take("ann", "next", {"key": "next"}) is None
    assert records.take("ann", "young", {}) == {"key": "young"}
    for path in (tmp_path / "ann").glob("*.json"):
        os.utime(path, (now - 60, now - 60))
    with pytest.raises(KeysFullError) as full:
        records.take("ann", "one more", {})
    assert full.value.retry_after_s == _DAY_S - 60


def test_a_key_that_is_given_back_while_room_is_made_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = KeyRecords(str(tmp_path), limit=2)
    for key in ("a", "b"):
        records.take("ann", key, {})
    scan = os.scandir

    @contextmanager
    def meanwhile(folder: str) -> Iterator[list[os.DirEntry[str]]]:
        with scan(folder) as entries:
            found = list(entries)
        records.free("ann", "a")
        yield found

    monkeypatch.setattr(os, "scandir", meanwhile)
    assert records.take("ann", "c", {}) is None

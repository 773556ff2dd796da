"""The store of one loop: memory in, commits out, damage kept aside, other writers noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import LoopId
from opsd.storage.model import Commit, Document, RowLog
from opsd.storage.store import FileLoopStore


@pytest.fixture
def store(tmp_path: Path) -> FileLoopStore:
    return FileLoopStore(str(tmp_path), LoopId("demo"))


def test_what_is_committed_is_loaded_again_also_by_another_process(store: FileLoopStore, tmp_path: Path) -> None:
    store.commit(
        Commit(
            rows=[(RowLog.ESCALATIONS, {"n": 1}), (RowLog.RECONCILE, {"n": 2}), (RowLog.ESCALATIONS, {"n": 3})],
            documents=[(Document.STATE, {"a": 1}), (Document.CURSOR, {"eventLineOffset": 4})],
        )
    )
    for reader in (store, FileLoopStore(str(tmp_path), LoopId("demo"))):
        memory = reader.load()
        assert memory.documents == {Document.STATE: {"a": 1}, Document.CURSOR: {"eventLineOffset": 4}}
        assert memory.damaged == frozenset()
        assert memory.get(Document.HEALTH) == {}
    assert Path(store.location(RowLog.ESCALATIONS)).read_text() == '{"n":1}\n{"n":3}\n'
    assert Path(store.location(Document.STATE)).read_text() == '{"a":1}\n'
    assert Path(store.location(Document.CURSOR)).read_text() == '{\n  "eventLineOffset": 4\n}\n'


def test_a_document_that_somebody_else_replaced_is_read_again(store: FileLoopStore) -> None:
    store.commit(Commit(documents=[(Document.STATE, {"a": 1})]))
    path = Path(store.location(Document.STATE))
    path.with_suffix(".new").write_text('{"a": 2}')
    path.with_suffix(".new").replace(path)
    assert store.load().get(Document.STATE) == {"a": 2}
    path.unlink()
    assert store.load().documents == {}


@pytest.mark.parametrize("content", ["", "{", "[1]", '"x"', "\x00", "[" * 9999])
def test_damage_is_named_and_kept_aside_by_the_next_commit(store: FileLoopStore, content: str) -> None:
    path = Path(store.location(Document.HEALTH))
    path.parent.mkdir(parents=True)
    path.write_text(content)
    memory = store.load()
    assert (memory.damaged, memory.get(Document.HEALTH)) == ({Document.HEALTH}, {})
    store.commit(Commit(documents=[(Document.HEALTH, {"ok": 1})], set_aside=memory.damaged))
    assert json.loads(path.read_text()) == {"ok": 1}
    assert path.with_suffix(".json.damaged").read_text() == content


def test_null_is_a_document_without_fields(store: FileLoopStore) -> None:
    path = Path(store.location(Document.HEALTH))
    path.parent.mkdir(parents=True)
    path.write_text("null\n")
    assert store.load().documents == {Document.HEALTH: {}}


def test_the_last_whole_intent_counts(store: FileLoopStore) -> None:
    assert store.load().last_intent == {}
    store.commit(Commit(rows=[(RowLog.INTENTS, {"status": "confirmed"}), (RowLog.INTENTS, {"status": "ambiguous"})]))
    assert store.load().last_intent == {"status": "ambiguous"}
    with Path(store.location(RowLog.INTENTS)).open("a") as file:
        file.write('{"status": "torn"')
    assert store.load().last_intent == {"status": "ambiguous"}
    with Path(store.location(RowLog.INTENTS)).open("a") as file:
        file.write(" nonsense\n")
    assert store.load().last_intent == {}


def test_what_cannot_be_written_stops_the_commit_behind_what_stands(store: FileLoopStore) -> None:
    blocked = Path(store.location(Document.STATE))
    blocked.mkdir(parents=True)
    with pytest.raises(ManagerFileError, match=r"state\.json"):
        store.commit(
            Commit(
                rows=[(RowLog.ESCALATIONS, {"n": 1})],
                documents=[(Document.HEALTH, {"h": 1}), (Document.STATE, {"s": 1}), (Document.CURSOR, {"c": 1})],
            )
        )
    assert Path(store.location(RowLog.ESCALATIONS)).exists()
    assert Path(store.location(Document.HEALTH)).exists()
    assert not Path(store.location(Document.CURSOR)).exists()


def test_path_flags_are_used_as_given(tmp_path: Path) -> None:
    given = {Document.STATE: str(tmp_path / "elsewhere.json")}
    store = FileLoopStore(str(tmp_path), LoopId("demo"), overrides=given)
    store.commit(Commit(documents=[(Document.STATE, {"a": 1})]))
    assert store.location(Document.STATE) == given[Document.STATE]
    assert json.loads(Path(given[Document.STATE]).read_text()) == {"a": 1}


def test_a_row_that_a_full_disk_has_torn_is_in_no_summarys_way(store: FileLoopStore) -> None:
    path = Path(store.location(RowLog.RECONCILE))
    path.parent.mkdir(parents=True)
    path.write_text('{"n":1}\n{"n":2')
    store.commit(Commit(rows=[(RowLog.RECONCILE, {"n": 3})]))
    tail = store.load(tail=10).tail
    assert (tail.error, path.read_text()) == (None, '{"n":1}\n{"n":3}\n')

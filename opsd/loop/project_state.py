"""The projection of one snapshot and the last event of a poll, stored as the loop's state (contract 10, part 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.checks import check_snapshot
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.loop.evaluate import IN_MEMORY_SNAPSHOT
from opsd.loop.projection import project
from opsd.storage.files import read_bytes, replace_file
from opsd.storage.layout import ManagerLayout
from opsd.storage.locks import exclusive
from opsd.storage.model import Document
from opsd.storage.store import parse_document

LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state, and the bytes that stand in its file."""

    state: JsonObject
    data: bytes


def project_and_store(
    repo: str,
    loop_id: LoopId,
    snapshot: JsonValue,
    *,
    now: str,
    last_event: JsonObject | None = None,
    state_file: str | None = None,
    snapshot_file: str | None = None,
    events_file: str | None = None,
    pretty: bool = False,
) -> StoredState:
    """Project and replace the state file, under the loop's lock where it is the manager's own. Blocking.

    Args:
        state_file: a file of the caller's, which needs no lock; None: the manager's.
        snapshot_file, events_file: where the envelopes came from, as the evidence names it.

    Raises:
        ProjectionError: the snapshot is none of this loop. Nothing is written.
        LockTimeoutError: a pass did not end in time.
        ManagerFileError: the file cannot be written.
    """
    envelope = check_snapshot(snapshot, loop_id)
    layout = ManagerLayout(repo, loop_id)
    path = state_file or layout.path(Document.STATE)
    with _lock(None if state_file else layout.lock_file):
        state = project(
            envelope,
            last_event,
            parse_document(read_bytes(path)) or {},
            repo=repo,
            loop_id=loop_id,
            now=now,
            snapshot_file=snapshot_file or IN_MEMORY_SNAPSHOT,
            events_file=events_file,
        )
        data = (jsoncodec.dumps_pretty(state) if pretty else jsoncodec.dumps(state)) + b"\n"
        replace_file(path, data)
    return StoredState(state, data)


@contextmanager
def _lock(path: str | None) -> Iterator[None]:
    if path is None:
        yield
        return
    with exclusive(path, wait_s=LOCK_WAIT_S):
        yield

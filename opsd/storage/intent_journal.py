"""The write-ahead journal of control intents, ``intent-journal.jsonl`` (contract 30, weakness 5).

Three rows make an intent: ``started`` with the request, synced before its command runs; ``finished`` with the verdict;
``recorded`` when its audit rows stand. One that was started and not recorded is *open*. While its process lives, a
lock file of its own is held, so whoever comes next can tell a running intent from one whose process died.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opsd.contract import jsoncodec
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, locks, row_files
from opsd.storage.layout import ManagerLayout
from opsd.storage.store import parse_row

STARTED, FINISHED, RECORDED = "started", "finished", "recorded"
#: An open intent that cannot be understood: its rows stay for a person, and nobody looks at it again.
UNUSABLE = "unusable"

#: The journal is put aside beyond so many bytes, when no intent is open.
_ROTATE_OVER = 1024 * 1024
#: Completing what a dead process left may take the loop's lock, which a pass can hold for a while.
_GUARD_WAIT_S = 30.0
#: What says that a lock file is not there, or is none.
_NO_LOCK = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR})
_PREFIX, _SUFFIX = ".intent-", ".lock"


class IntentJournal:
    """The journal of one loop. Blocking; safe against other threads and processes."""

    def __init__(self, repo: str, loop_id: LoopId) -> None:
        layout = ManagerLayout(repo, loop_id)
        self.path = layout.intent_journal_file
        self._folder = layout.folder
        self._guard_path = f"{layout.folder}/.intents.lock"

    def begin(self, control_id: str, fields: JsonObject) -> int:
        """Write an intent down; it is on disk when this returns. Give the descriptor to :meth:`release`.

        Raises:
            ManagerFileError, LockTimeoutError: it cannot be written. Nothing may be executed then.
        """
        with self._guarded():
            is_open = self._open_intents()
            self._sweep(is_open)
            held = locks.acquire(self._lock_of(control_id), wait_s=0)
            try:
                rotate_over = 0 if is_open else _ROTATE_OVER
                self.append(control_id, STARTED, fields, rotate_over=rotate_over)
            except BaseException:
                self.release(control_id, held)
                raise
            return held

    def append(self, control_id: str, phase: str, fields: JsonObject, *, rotate_over: int = 0) -> None:
        """Add a row that survives a power loss.

        Raises:
            ManagerFileError: it cannot be written.
        """
        row = jsoncodec.dumps({"controlId": control_id, "phase": phase, **fields}) + b"\n"
        row_files.append_lines(self.path, row, durable=True, rotate_over=rotate_over)

    def release(self, control_id: str, held: int) -> None:
        """The intent's process is done with it, recorded or not."""
        files.remove_quietly(self._lock_of(control_id))
        os.close(held)

    def any_running(self) -> bool:
        """Whether the process of an open intent lives. Costs one read where there is none."""
        return any(map(self._is_running, self._open_intents()))

    @contextmanager
    def abandoned(self) -> Iterator[Mapping[str, list[JsonObject]]]:
        """The rows of every open intent whose process is dead, by id. Nobody else gets them while the block lasts.

        Costs one read where there is none.

        Raises:
            LockTimeoutError: somebody else completes them just now.
        """
        if not self._open_intents():
            yield {}
            return
        with self._guarded():
            dead = [control_id for control_id in self._open_intents() if not self._is_running(control_id)]
            # Read again: one that ended between the two looks has been recorded meanwhile.
            rows = self._open_intents() if dead else {}
            yield {control_id: rows[control_id] for control_id in dead if control_id in rows}

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with locks.exclusive(self._guard_path, wait_s=_GUARD_WAIT_S):
            yield

    def _open_intents(self) -> dict[str, list[JsonObject]]:
        found: dict[str, list[JsonObject]] = {}
        for line in (files.read_bytes(self.path) or b"").split(b"\n")[:-1]:
            row = parse_row(line)
            control_id = row.get("controlId")
            if not isinstance(control_id, str) or "/" in control_id:
                continue
            if row.get("phase") in (RECORDED, UNUSABLE):
                found.pop(control_id, None)
            elif row.get("phase") == STARTED or control_id in found:
                found.setdefault(control_id, []).append(row)
        return found

    def _lock_of(self, control_id: str) -> str:
        return f"{self._folder}/{_PREFIX}{control_id}{_SUFFIX}"

    def _is_running(self, control_id: str) -> bool:
        """Whether the intent's process lives; where nobody can tell, it counts as alive, and nothing is completed."""
        path, flags = self._lock_of(control_id), os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                descriptor = os.open(path, os.O_RDWR | flags)
            except PermissionError:  # of another user: to ask for a lock, reading is enough
                descriptor = os.open(path, os.O_RDONLY | flags)
        except OSError as error:
            return error.errno not in _NO_LOCK
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _sweep(self, is_open: Mapping[str, list[JsonObject]]) -> None:
        """Remove the locks that dead processes left of what is recorded. Locks are only made under the guard."""
        for name in os.listdir(self._folder):
            control_id = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
            if name != f"{_PREFIX}{control_id}{_SUFFIX}" or control_id in is_open:
                continue
            if not self._is_running(control_id):
                files.remove_quietly(f"{self._folder}/{name}")

"""The write-ahead journal of control intents."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from opsd.contract.ids import LoopId
from opsd.storage.intent_journal import RECORDED, IntentJournal


def test_an_intent_whose_process_is_gone_is_abandoned(tmp_path: Path) -> None:
    journal = IntentJournal(str(tmp_path), LoopId("demo"))
    held = journal.begin("one", {"request": {}})
    journal.release("one", held)
    with journal.abandoned() as found:
        assert list(found) == ["one"]


def test_an_intent_that_is_recorded_while_it_is_looked_at_is_not_abandoned(tmp_path: Path) -> None:
    journal = IntentJournal(str(tmp_path), LoopId("demo"))
    held = journal.begin("one", {"request": {}})

    class Looking(IntentJournal):
        """Between reading the journal and looking at its lock, the intent ends."""

        def _is_running(self, control_id: str) -> bool:
            journal.append(control_id, RECORDED, {})
            journal.release(control_id, held)
            return super()._is_running(control_id)

    with Looking(str(tmp_path), LoopId("demo")).abandoned() as found:
        assert found == {}


@pytest.mark.parametrize("refused", [errno.EACCES, errno.EMFILE])
def test_an_intent_whose_lock_cannot_be_looked_at_is_not_taken_for_dead(
    refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's lock may only be read, and sometimes nothing can be opened at all."""
    journal = IntentJournal(str(tmp_path), LoopId("demo"))
    held = journal.begin("one", {"request": {}})
    really_open = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if ".intent-" in path and (flags & os.O_RDWR or refused == errno.EMFILE):
            raise OSError(refused, os.strerror(refused))
        return really_open(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    assert journal.any_running()
    with journal.abandoned() as found:
        assert found == {}
    monkeypatch.undo()
    journal.release("one", held)
    assert not journal.any_running()

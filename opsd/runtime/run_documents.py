"""The five JSON files of a run, read together (contract 10, 3.1 steps 3 to 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.boundary import Opener
from opsd.runtime.documents import RuntimeDocument
from opsd.runtime.layout import RuntimeLayout
from opsd.runtime.snapshot import RunFacts
from opsd.runtime.witness import Signature

if TYPE_CHECKING:
    from opsd.contract.envelopes import ArtifactRef

#: Pauses between the readings of a file that is empty or cut: about 250 ms in all (contract 10, weakness 3).
RETRY_PAUSES_S = (0.01, 0.03, 0.08, 0.12)


class RunDocuments:
    """``state``, ``active-run``, ``approval``, ``run-summary`` and ``heartbeat`` of one loop, each optional."""

    def __init__(self, layout: RuntimeLayout, opener: Opener, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self.state, self.active_run, self.approval, self.run_summary, self.heartbeat = (
            RuntimeDocument(path, layout.relative(path), opener)
            for path in (layout.state, layout.active_run, layout.approval, layout.run_summary, layout.heartbeat)
        )
        #: In the order in which problems are reported (contract 10, 3.1 step 5).
        self._all = (self.state, self.active_run, self.approval, self.run_summary, self.heartbeat)

    def changed(self) -> bool:
        """True when a stat of any differs from its last read."""
        return any(document.changed() for document in self._all)

    @property
    def settled(self) -> bool:
        """No document was read so soon after a write that its stat cannot be trusted."""
        return all(document.settled for document in self._all)

    @property
    def signatures(self) -> list[tuple[str, Signature | None]]:
        """Path and signature of each."""
        return [(document.path, document.signature) for document in self._all]

    def read(self) -> None:
        """Read what changed; a file that is being rewritten is read again for a moment. Problems stay for later.

        Raises:
            ArtifactError: a file lies outside of the repo.
        """
        for document in (self.approval, self.run_summary, self.state, self.active_run, self.heartbeat):
            document.refresh()
        for pause in RETRY_PAUSES_S:
            if all(document.error is None for document in self._all):
                return
            self._sleep(pause)
            for document in self._all:
                if document.error is not None:
                    document.refresh()

    def facts(self, loop_id: str, event: JsonObject | None) -> RunFacts:
        """What the files say, with the last event of the journal.

        Raises:
            ArtifactError: a file cannot be decoded or has the wrong type.
        """
        for document in self._all:
            if document.error is not None:
                raise document.error
        summary = _object_or_none(self.run_summary)
        return RunFacts(
            loop_id=loop_id,
            event=event,
            state=_object_or_none(self.state),
            approval=_object_or_none(self.approval),
            summary=summary,
            latest=self._latest_entry(summary),
        )

    def references(self) -> dict[str, ArtifactRef]:
        """``artifacts`` of the snapshot, without the journal."""
        return {
            "runSummary": self.run_summary.ref,
            "state": self.state.ref,
            "activeRun": self.active_run.ref,
            "approval": self.approval.ref,
            "heartbeat": self.heartbeat.ref,
        }

    def _latest_entry(self, summary: JsonObject | None) -> JsonObject | None:
        entries = None if summary is None else summary.get("entries")
        if entries is None:
            return None
        if not isinstance(entries, list):
            raise self.run_summary.unexpected_type()
        latest = entries[-1] if entries else None
        if latest is None or latest is False:
            return None
        if not isinstance(latest, dict):
            raise self.run_summary.unexpected_type()
        return latest


def _object_or_none(document: RuntimeDocument) -> JsonObject | None:
    if document.value is None or isinstance(document.value, dict):
        return document.value
    raise document.unexpected_type()

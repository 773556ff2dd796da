"""Everything the manager reads of one loop, kept between calls so that an unchanged loop costs a few stats.

Implements the snapshot and the event poll of contract 10, part 3, over the incremental :class:`Journal`. Blocking
and not thread-safe: one caller at a time, in a worker thread where an event loop runs; only
:meth:`LoopReader.cached_snapshot_bytes`, which stats six local files, is meant for the event loop itself.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsd.contract.errors import ArtifactError, CursorError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import SCHEMA_VERSION, SEQUENCE_SOURCE, SNAPSHOT_TYPE
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get
from opsd.runtime.boundary import RepoBoundary
from opsd.runtime.encoded import EncodedSnapshot
from opsd.runtime.events import EnvelopeFactory, decode_line, ingest
from opsd.runtime.journal import DEFAULT_MAX_LINE_BYTES, Journal
from opsd.runtime.layout import RuntimeLayout
from opsd.runtime.liveness import liveness_section, this_host
from opsd.runtime.run_documents import RunDocuments
from opsd.runtime.snapshot import health_section, run_section
from opsd.runtime.witness import Witness

if TYPE_CHECKING:
    from opsd.contract.envelopes import ArtifactRef, EventEnvelope, SnapshotEnvelope, Source


@dataclass(frozen=True, slots=True)
class PollResult:
    """Events behind a cursor, the line offset reached and the number of complete lines.

    ``anchor`` is the SHA-256 of the line at ``offset`` (None at 0): it binds the cursor to this journal.
    """

    events: list[EventEnvelope]
    offset: int
    line_count: int
    anchor: str | None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """A :class:`PollResult` with the line numbers of the events and the last envelope only."""

    numbers: list[int]
    last: EventEnvelope | None
    offset: int
    line_count: int
    anchor: str | None


class LoopReader:
    """Reads one loop of one repo.

    Args:
        repo: absolute path of the repo, as it shall appear in envelopes.
        loop_id: a parsed loop id.
        max_line_bytes: longest journal line that is accepted.
        sleep: waits between readings of a file that is being rewritten.
    """

    def __init__(
        self,
        repo: str,
        loop_id: LoopId,
        *,
        max_line_bytes: int = DEFAULT_MAX_LINE_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.layout = layout = RuntimeLayout(repo, loop_id)
        opener = RepoBoundary(repo).open
        self.journal = Journal(layout.events, opener=opener, max_line_bytes=max_line_bytes)
        self._documents = RunDocuments(layout, opener, sleep)
        self._source: Source = {"repoPath": repo, "loopId": loop_id}
        self._body: JsonObject | None = None
        self._encoded: EncodedSnapshot | None = None  # the body's
        self._last_event_at: int | None = None
        self._host = this_host()
        self._body_version = 0  # of the journal that the body shows; a poll may have read on since
        self._witness = Witness(())
        self._settled = False  # of the documents that the body shows
        self._anchor: tuple[int, int, str] | None = None  # generation, line number, digest

    def unchanged(self) -> bool:
        """True when six stats show nothing new since the last snapshot."""
        if self._body is None or self._body_version != self.journal.version:
            return False
        if not self._settled:
            return not self.journal.changed() and not self._documents.changed()
        return self._witness.unchanged()

    def snapshot(self, *, now: str, trace_id: str | None, run_id: str | None = None) -> SnapshotEnvelope:
        """The snapshot envelope; ``now`` is its ``emittedAt``.

        Raises:
            ArtifactError: a required artifact is missing, or one cannot be decoded, has the wrong type or lies outside
                of the repo.
        """
        body = self._refreshed_body()
        body = {**body, "runtime": {**body["runtime"], "liveness": self._liveness(now)}}
        if run_id:
            body = {**body, "run": {**body["run"], "runId": run_id}}
        head = {"schemaVersion": SCHEMA_VERSION, "envelopeType": SNAPSHOT_TYPE, "emittedAt": now, "traceId": trace_id}
        envelope: SnapshotEnvelope = {**head, **body}  # type: ignore[typeddict-item]
        return envelope

    def snapshot_bytes(self, *, now: str, trace_id: str | None) -> bytes:
        """:meth:`snapshot` as compact JSON, encoded once per change."""
        body = self._refreshed_body()
        if self._encoded is None:
            self._encoded = EncodedSnapshot(body)
        return self._encoded.envelope(now=now, trace_id=trace_id, liveness=self._liveness(now))

    def cached_snapshot_bytes(self, *, now: str, trace_id: str | None) -> bytes | None:
        """:meth:`snapshot_bytes` if nothing changed since the last one, judged by stats alone; else None."""
        if self._encoded is None or not self.unchanged():
            return None
        return self._encoded.envelope(now=now, trace_id=trace_id, liveness=self._liveness(now))

    def _liveness(self, now: str) -> JsonObject:
        """``runtime.liveness``: it changes while no file does, so it is judged for every answer."""
        known, layout = self._documents.active_run, self.layout
        section = liveness_section(
            known.value, known.signature, known.path, repo=layout.repo, loop_id=layout.loop_id, host=self._host
        )
        moment = parse_epoch(now)
        age = None if self._last_event_at is None or moment is None else max(0, moment - self._last_event_at)
        section["lastEventAgeSeconds"] = age
        return section

    def _refreshed_body(self) -> JsonObject:
        if self._body is not None and self.unchanged():
            return self._body
        self._body = self._encoded = None
        self._refresh_journal()
        for _ in range(2):
            self._documents.read()
            # Events that arrived while the documents were read would be older news than the state beside them.
            if not self.journal.refresh():
                break
        self._body = self._build_body()
        self._body_version = self.journal.version
        self._witness = Witness([(self.layout.events, self.journal.signature), *self._documents.signatures])
        self._settled = self._documents.settled
        return self._body

    def _refresh_journal(self) -> None:
        if self.journal.exists and not self.journal.changed():
            return
        if not os.path.isdir(self.layout.loop_dir):
            raise ArtifactError(f"required artifact root missing: {self.layout.loop_dir}")
        self.journal.refresh()
        if not self.journal.exists:
            raise ArtifactError(f"required artifact missing: {self.layout.events}")

    def _build_body(self) -> JsonObject:
        if not self.journal.exists:
            raise ArtifactError(f"required artifact missing: {self.layout.events}")
        event = self._last_event()
        facts = self._documents.facts(self.layout.loop_id, event)
        count = self.journal.line_count
        self._last_event_at = parse_epoch(get(event, "timestamp"))
        return {
            "source": self._source,
            "run": run_section(facts, None),
            "runtime": {
                "superloopState": facts.state,
                "activeRun": self._documents.active_run.value,
                "approval": facts.approval,
                "heartbeat": self._documents.heartbeat.value,
            },
            "artifacts": {"events": self._journal_reference(), **self._documents.references()},
            "sequence": {"source": SEQUENCE_SOURCE, "value": count},
            "cursor": {"eventLineOffset": count, "eventLineCount": count},
            "health": health_section(facts, count),
        }

    def _last_event(self) -> JsonObject | None:
        line = self.journal.last_line()
        if not line:
            return None
        try:
            return decode_line(line)
        except ValueError:
            raise ArtifactError(f"invalid JSON in final events line: {self.layout.events}") from None
        except TypeError:
            raise ArtifactError(f"unexpected JSON type in final events line: {self.layout.events}") from None

    def _journal_reference(self) -> ArtifactRef:
        journal = self.journal
        return {
            "path": self.layout.relative(journal.path),
            "exists": True,
            "sizeBytes": journal.size,
            "lineCount": journal.line_count,
            "sha256": journal.sha256_hex,
            "mtimeEpoch": journal.mtime_epoch,
        }

    def line_count(self) -> int:
        """Complete lines of the journal now.

        Raises:
            ArtifactError: the loop's folder or its journal is missing.
        """
        self._refresh_journal()
        return self.journal.line_count

    def poll(
        self,
        *,
        offset: int,
        max_events: int,
        now: str,
        trace_id: str | None,
        anchor: str | None = None,
        skip_line: int | None = None,
        max_bytes: int = 0,
    ) -> PollResult:
        """The events behind line ``offset``, at most ``max_events`` (0 = all), bounded by the lines there are now.

        Args:
            anchor: digest of the line at ``offset`` when it was read; a journal that holds another line there was
                replaced, and nothing is skipped silently (contract 10, weakness 11).
            skip_line: the one undecodable line that an operator chose to step over.
            max_bytes: end behind the event with which their lines are as long, 0 = however long they are.

        Raises:
            ArtifactError: missing artifacts, or a line that is not an event.
            UsageError: the line to step over is an event.
            CursorError: the offset is ahead of the journal, or the journal is another one.
        """
        factory, count = self._factory(offset, anchor, now, trace_id)
        events, end = factory.envelopes(
            self.journal.blocks(offset), limit=max_events, skip_line=skip_line, max_bytes=max_bytes
        )
        reached = self._reached(events[-1]["sequence"]["value"] if events else offset, end, skip_line, factory)
        return PollResult(events, reached, count, self._line_digest(reached) if reached else None)

    def ingest(
        self,
        *,
        offset: int,
        max_events: int,
        now: str,
        trace_id: str | None,
        anchor: str | None = None,
        skip_line: int | None = None,
    ) -> IngestResult:
        """:meth:`poll` for a caller that needs only the last envelope. Same arguments, events and errors."""
        factory, count = self._factory(offset, anchor, now, trace_id)
        found = ingest(self.journal.blocks(offset), factory, limit=max_events, skip_line=skip_line)
        last = factory.envelope(found.last_line, found.numbers[-1]) if found.numbers else None
        reached = self._reached(found.numbers[-1] if found.numbers else offset, found.end, skip_line, factory)
        return IngestResult(found.numbers, last, reached, count, self._line_digest(reached) if reached else None)

    def _factory(self, offset: int, anchor: str | None, now: str, trace_id: str | None) -> tuple[EnvelopeFactory, int]:
        """What makes envelopes of the lines behind a cursor that fits the journal, and the number of lines."""
        count = self.line_count()
        if offset > count:
            raise CursorError(
                f"cursor offset ({offset}) exceeds available events ({count}); reset cursor or use --from-start"
            )
        if anchor and offset and self._line_digest(offset) != anchor:
            raise CursorError(
                f"cursor does not match the journal: line {offset} of {self.layout.events} is not the line that was "
                "read; reset cursor or use --from-start"
            )
        factory = EnvelopeFactory(self._source, self.layout.events, emitted_at=now, trace_id=trace_id, line_count=count)
        return factory, count

    def _reached(self, last: int, end: int, skip_line: int | None, factory: EnvelopeFactory) -> int:
        """The line offset to go on from; the next read starts at byte ``end`` without looking for it."""
        if end:
            self.journal.bookmark(last, end)
        if skip_line is None or not skip_line == last + 1 <= self.journal.line_count:
            return last
        factory.check_bad(self.journal.line(skip_line), skip_line)  # a limit may have ended the read before it
        return skip_line

    def _line_digest(self, number: int) -> str:
        known = self._anchor
        if known is None or known[:2] != (self.journal.generation, number):
            digest = hashlib.sha256(self.journal.line(number)).hexdigest()
            self._anchor = known = (self.journal.generation, number, digest)
        return known[2]

"""The verdict on one claimed file, line by line (contract 97, section 4, steps 7 and 8).

Pure. One bad line rejects the whole file; what a rejected file held is neither queued nor remembered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from opsd.horizon.dedupe import KnownKeys, Pair, key_of
from opsd.horizon.envelope import Envelope, Rejection, read_envelope

#: How many line numbers and keys a telemetry row names.
MAX_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What became of one file. ``claim_name`` is its path below the claims' sub-folders.

    ``new`` are the envelopes to queue, none of a rejected file; the counts are as found, also of a rejected one.
    """

    claim_name: str
    lines: int
    queued: int
    duplicates: int
    invalid: int
    last_reason: Rejection | None
    new: tuple[Envelope, ...]
    reasons: Counter[Rejection]
    invalid_lines: tuple[tuple[int, Rejection], ...]
    ambiguous_keys: tuple[str, ...]

    @property
    def rejected(self) -> bool:
        """Whether the file breaks the envelope contract."""
        return self.last_reason is not None


class FileJudge:
    """Takes the lines of one file in order; ``known`` is what was queued before it, and is not changed."""

    def __init__(self, claim_name: str, known: KnownKeys) -> None:
        self._claim_name = claim_name
        self._known = known
        self._pairs: set[Pair] = set()
        self._new: list[Envelope] = []
        self._reasons: Counter[Rejection] = Counter()
        self._invalid_lines: list[tuple[int, Rejection]] = []
        self._ambiguous: dict[str, None] = {}
        self._last_reason: Rejection | None = None
        self._lines = self._duplicates = 0

    def take(self, line: bytes) -> None:
        """The next line, without its newline."""
        self._lines += 1
        if not line:
            return
        envelope = read_envelope(line)
        if isinstance(envelope, Rejection):
            self._refuse(envelope)
            return
        pair = (envelope.packet_id, envelope.trace_id)
        seen = self._known.look_up(pair, self._pairs)
        if seen.is_ambiguous and len(self._ambiguous) < MAX_NAMED:
            self._ambiguous[key_of(pair)] = None
        if not seen.is_new:
            self._duplicates += 1
            return
        self._pairs.add(pair)
        if self._last_reason is None:  # a rejected file queues nothing, so nothing of it is kept
            self._new.append(envelope)

    def cut_off(self) -> None:
        """The file is too large, and its rest was not read: one more line, which is invalid."""
        self._lines += 1
        self._refuse(Rejection.INVALID_JSON)

    def verdict(self) -> FileVerdict:
        """The verdict on what was taken so far."""
        return FileVerdict(
            claim_name=self._claim_name,
            lines=self._lines,
            queued=len(self._pairs),
            duplicates=self._duplicates,
            invalid=self._reasons.total(),
            last_reason=self._last_reason,
            new=tuple(self._new),
            reasons=self._reasons,
            invalid_lines=tuple(self._invalid_lines),
            ambiguous_keys=tuple(self._ambiguous),
        )

    def _refuse(self, reason: Rejection) -> None:
        self._reasons[reason] += 1
        self._last_reason = reason
        self._new.clear()
        if len(self._invalid_lines) < MAX_NAMED:
            self._invalid_lines.append((self._lines, reason))

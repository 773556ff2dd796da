"""Which envelopes were queued before (contract 97, sections 3 and 4; weakness 12).

The wire knows an envelope by one text, ``<packetId>::<traceId>``. Two different envelopes can share it when an id
holds ``::``, so this module compares (packet id, trace id), and knows when a text from an older state does not tell
which pair it stands for. Such a text is treated as seen, and reported: it never drops an envelope in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

Pair = tuple[str, str]

_SEPARATOR = "::"


class Seen(Enum):
    """What is known of an envelope."""

    NEW = "new"
    NEW_BUT_SAME_KEY = "new, though another envelope has the same text for a key"
    KNOWN = "known"
    MAYBE_KNOWN = "its key is known, and could be that of another envelope"

    @property
    def is_new(self) -> bool:
        """Whether it is to be queued."""
        return self in (Seen.NEW, Seen.NEW_BUT_SAME_KEY)

    @property
    def is_ambiguous(self) -> bool:
        """Whether somebody should be told."""
        return self in (Seen.NEW_BUT_SAME_KEY, Seen.MAYBE_KNOWN)


def key_of(pair: Pair) -> str:
    """The dedupe key of the wire."""
    return _SEPARATOR.join(pair)


def readings(key: str) -> Iterator[Pair]:
    """Every pair that a key could stand for; none when it is no key of an envelope."""
    at = key.find(_SEPARATOR, 1)
    while 0 < at < len(key) - len(_SEPARATOR):
        yield key[:at], key[at + len(_SEPARATOR) :]
        at = key.find(_SEPARATOR, at + 1)


class KnownKeys:
    """All keys known so far.

    Args:
        keys: texts, as a state file lists them.
        pairs: what is known exactly: of intents in the queue, and of ambiguous keys that a state explains.
    """

    def __init__(self, keys: Iterable[str] = (), pairs: Iterable[Pair] = ()) -> None:
        self._pairs = set(pairs)
        self._unexplained: set[str] = set()
        explained = {key_of(pair) for pair in self._pairs}
        for key in keys:
            found = list(readings(key))
            if len(found) == 1:
                self._pairs.add(found[0])
            elif key not in explained:
                self._unexplained.add(key)

    def look_up(self, pair: Pair, also: set[Pair] | frozenset[Pair] = frozenset()) -> Seen:
        """What is known of an envelope, here or among ``also``."""
        if pair in self._pairs or pair in also:
            return Seen.KNOWN
        key = key_of(pair)
        if key in self._unexplained:
            return Seen.MAYBE_KNOWN
        if key.find(_SEPARATOR, key.find(_SEPARATOR) + 1) < 0:  # the usual case: it has one reading only
            return Seen.NEW
        taken = any(other in self._pairs or other in also for other in readings(key))
        return Seen.NEW_BUT_SAME_KEY if taken else Seen.NEW

    def add(self, pairs: Iterable[Pair]) -> None:
        """Remember what is queued now."""
        self._pairs.update(pairs)

    def forget(self, keys: Iterable[str], keep: Iterable[Pair]) -> None:
        """Drop keys, but for those of ``keep``."""
        gone, kept = set(keys), set(keep)
        self._pairs = {pair for pair in self._pairs if pair in kept or key_of(pair) not in gone}
        self._unexplained -= gone

    def wire_keys(self) -> list[str]:
        """All keys as the wire shows them: unique and sorted."""
        return sorted({key_of(pair) for pair in self._pairs} | self._unexplained)

    def ambiguous_pairs(self) -> list[Pair]:
        """The pairs whose key alone would not tell them from another, sorted."""
        return sorted(
            pair for pair in self._pairs if (pair[0] + pair[1]).find(":") >= 0 and len(list(readings(key_of(pair)))) > 1
        )

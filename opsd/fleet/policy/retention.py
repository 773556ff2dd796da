"""How the policy's history stays bounded, and what of it has to stay (contract 70, weakness 3). Pure.

Invariant: a history that was begun anew tells the same two moments as the one before of every candidate that may still
matter: of every loop of the registry, and of any other within a week, the dedupe window and the cooldown. So every
evaluation decides as if nothing had been put aside. What is carried over are rows as they were written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.policy.memory import moments_of

#: Some days of 1,000 loops of which 100 are always in trouble. A command by hand reads the file whole, in a second.
_OVER_BYTES = 64 * 1024 * 1024
#: What is carried over of one loop is less: two rows for each of a few kinds of trouble.
_LOOP_BYTES = 16 * 1024
#: A loop may come back to the registry, and its cooldown may be longer then.
_KEPT_S = 7 * 24 * 3600


def begins_anew_over(loops: int) -> int:
    """The size in bytes beyond which the history of a fleet is put aside; well beyond what is carried over."""
    return max(_OVER_BYTES, loops * _LOOP_BYTES)


class _Kept(NamedTuple):
    moment: int
    number: int
    row: JsonObject


class CarriedRows:
    """A fold over a history that keeps the rows that it has to begin anew with.

    Args:
        loops: the registry's.
        now: seconds since 1970.
        needed_s: the longest time that an evaluation looks back for one candidate.
    """

    def __init__(self, loops: Collection[str], *, now: int, needed_s: float) -> None:
        self._loops = loops
        self._since = now - max(needed_s, _KEPT_S)
        self._number = 0
        self._shown: dict[str, _Kept] = {}
        self._eligible: dict[str, _Kept] = {}

    def reset(self) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        self._number = 0
        self._shown.clear()
        self._eligible.clear()

    def add(self, row: JsonObject) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        found = moments_of(row)
        if found is None or (found.moment < self._since and found.name.rpartition(":")[0] not in self._loops):
            return
        self._number += 1
        for kept, counts in ((self._shown, found.shown), (self._eligible, found.eligible)):
            if counts and (found.name not in kept or found.moment > kept[found.name].moment):
                kept[found.name] = _Kept(found.moment, self._number, row)

    def rows(self) -> list[JsonObject]:
        """The rows, in the order in which they were written."""
        kept = {one.number: one.row for one in (*self._shown.values(), *self._eligible.values())}
        return [kept[number] for number in sorted(kept)]

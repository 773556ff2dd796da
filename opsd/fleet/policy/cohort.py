"""Which loops a rollout reaches: scope, and a bucket that depends on loop and salt only (contract 70, 7).

Invariant: raising ``canaryPercent`` never drops a loop from the cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject


@dataclass(frozen=True, slots=True)
class Cohort:
    """Where one loop stands; ``bucket`` is 0 to 99."""

    salt: str
    bucket: int
    in_scope: bool
    canary_selected: bool

    @property
    def in_cohort(self) -> bool:
        """In scope and selected."""
        return self.in_scope and self.canary_selected

    def document(self) -> JsonObject:
        """The candidate's ``selector`` object."""
        return {
            "salt": self.salt,
            "bucket": self.bucket,
            "inScope": self.in_scope,
            "canarySelected": self.canary_selected,
            "inCohort": self.in_cohort,
        }


def cohort(loop_id: str, *, salt: str, canary_percent: int | float, scope: Sequence[str]) -> Cohort:
    """Where a loop stands; an empty scope holds every loop."""
    bucket = bucket_of(loop_id, salt)
    return Cohort(salt, bucket, not scope or loop_id in scope, bucket < canary_percent)


def bucket_of(loop_id: str, salt: str) -> int:
    """The loop's bucket, 0 to 99, computed over code points."""
    value = 17
    for char in f"{loop_id}|{salt}":
        value = (value * 31 + ord(char)) % 1_000_003
    return value % 100

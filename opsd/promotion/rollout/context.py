"""What a caller says about a run: who vouches for it, and what it belongs to (contract 95, 1.7). Free texts, all of it.

``--by`` and ``--approval-ref`` are asserted by the caller; nothing here proves them (weakness 20).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import uniq


@dataclass(frozen=True, slots=True)
class Governance:
    """The four governance flags; empty where one was not given."""

    actor: str = ""
    approval_ref: str = ""
    rationale: str = ""
    review_by: str = ""

    def flags(self) -> list[str]:
        """The arguments that hand it on."""
        return [
            *("--by", self.actor, "--approval-ref", self.approval_ref),
            *("--rationale", self.rationale, "--review-by", self.review_by),
        ]

    def document(self) -> JsonObject:
        """As a record holds it: null for what was not given."""
        return {
            "actor": self.actor or None,
            "approvalRef": self.approval_ref or None,
            "rationale": self.rationale or None,
            "reviewBy": self.review_by or None,
        }


@dataclass(frozen=True, slots=True)
class Seam:
    """What a run belongs to; None where nothing was said. ``evidence_refs`` are as given."""

    loop_id: str | None = None
    horizon_ref: str | None = None
    evidence_refs: Sequence[str] = ()

    def id_flags(self) -> list[str]:
        """The arguments that hand on the ids which were given."""
        flags = ["--loop-id", self.loop_id] if self.loop_id else []
        return flags + (["--horizon-ref", self.horizon_ref] if self.horizon_ref else [])


def evidence_flags(refs: Iterable[str]) -> list[str]:
    """One flag for each ref."""
    return [part for ref in refs for part in ("--evidence-ref", ref)]


def split_refs(values: Iterable[str]) -> list[str]:
    """Refs as apply and orchestrate take them: a value with newlines is several, an empty one is none."""
    return [ref for value in values for ref in value.split("\n") if ref]


def merged_refs(*groups: Iterable[object]) -> list[str]:
    """The non-empty texts of all groups, unique and sorted; anything else is dropped."""
    return uniq(ref for group in groups for ref in group if isinstance(ref, str) and ref)

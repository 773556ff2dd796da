"""The closed sets of words of apply and orchestrate (contract 95, sections 2 and 3)."""

from __future__ import annotations

from enum import StrEnum

#: What stands where a document names no decision.
UNKNOWN = "unknown"


class Intent(StrEnum):
    """What one apply does to the rollout."""

    EXPAND = "expand"
    RESUME = "resume"
    ROLLBACK = "rollback"


class Mode(StrEnum):
    """What orchestrate does with a decision."""

    DRY_RUN = "dry_run"
    APPLY = "apply"
    ROLLBACK = "rollback"


#: What a finished orchestration calls itself (3.3).
STATUS_OF = {Mode.DRY_RUN: "preview", Mode.APPLY: "applied", Mode.ROLLBACK: "rolled_back"}

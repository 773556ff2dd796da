"""What requests for drills and the Horizon bridge may say. Every field is a flag of the command, or its operand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsd.api.models.base import Body, Operand


class DrillRun(Body):
    """A drill that the promotion gates ask for, or all of them. Who asks is in the evidence."""

    drill: Annotated[Literal["kill-switch", "sprite-outage", "ambiguous-retry-guard", "all"], Operand()]
    """Which."""
    fleet: Literal["sandbox", "live"] = "sandbox"
    """Against a simulated fleet, or (the kill switch only) the fleet in use, whose kill switch is set for minutes."""
    confirm: bool = False
    """An operator confirms what a drill of the live fleet does; without it that is told, and nothing done."""


class BridgeRun(Body):
    """One pass of the bridge."""

    maxFiles: int = Field(default=0, ge=0, le=1_000_000_000)
    """Files that are claimed at most; 0 is all."""
    retentionDays: int = Field(default=0, ge=0, le=36_500)
    """Forget finished files and their keys after that many days; 0 is never."""

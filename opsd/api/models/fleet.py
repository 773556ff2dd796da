"""What requests about the fleet, for its steps and its levers may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from opsd.api.models.base import Body, Flag, Line, LookInterval, LookTime, LoopIdText, Query, Text


def _true(value: object) -> object:
    """For pydantic the number 1 is the literal ``True`` too."""
    if value is not True:
        raise ValueError("must be true")
    return value


class ExplainQuery(Query):
    """Which candidate."""

    candidate: Text
    """`<loop>:<category>`, or a loop for all of its candidates."""


class CandidatesQuery(Query):
    """Which of the policy's candidates."""

    loop: LoopIdText | None = None
    """Only this loop's."""
    category: Line | None = None
    """Only those of this category."""
    eligible: Flag | None = None
    """Only those that autonomy may, or may not, act on."""


class FleetReconcile(Body):
    """A pass over every loop of the registry, by the daemon's own queue and settings."""

    maxEvents: int = Field(default=0, ge=0, le=1_000_000_000)
    """Ingest at most so many per loop; 0 is as many as the settings permit."""
    fromStart: bool = False
    """Begin at each journal's first line, whatever the cursors say."""
    loopTimeoutSeconds: int = Field(default=300, ge=1, le=600)
    """Wait that long for all passes together; a loop is told by its pass before then, or has failed."""
    lockWaitSeconds: int = Field(default=30, ge=0, le=300)
    """Wait that long for another run over this fleet."""


class _OnFleet(Body):
    """A step that works on the fleet."""

    lockWaitSeconds: int = Field(default=30, ge=0, le=300)
    """Wait that long for another run over this fleet."""


class PolicyRun(_OnFleet):
    """An evaluation of the policy."""

    dedupeWindowSeconds: int | None = Field(default=None, ge=0, le=31_536_000)
    """Instead of the registry's."""
    maxFleetStateAgeSeconds: int | None = Field(default=None, ge=0, le=31_536_000)
    """Nothing is eligible on an older fleet state."""
    autopauseSkipEmpty: bool | None = None
    """Executions that attempted nothing do not count for auto-pause; default `fleet.skip_empty_executions`."""


class HandoffPlan(_OnFleet):
    """A plan."""

    idempotencyPrefix: Text | None = None
    """First part of every key, default `fleet-handoff`."""


class _Dispatch(HandoffPlan):
    """How intents are carried out."""

    loops: list[LoopIdText] = Field(default=[], max_length=100)
    """Only these loops' intents."""
    intentIds: list[Text] = Field(default=[], max_length=100)
    """Only these intents."""
    note: Line = ""
    """Why."""
    runtimeConfirm: bool = True
    """Look for effects."""
    timeoutSeconds: LookTime = 30
    """How long an effect is looked for."""
    intervalSeconds: LookInterval = 2
    """Between two looks."""


class HandoffExecute(_Dispatch):
    """Which pending intents are carried out."""

    confirm: Annotated[Literal[True], BeforeValidator(_true)]
    """An operator confirms; without it nothing is carried out."""
    everything: bool = False
    """All pending intents; without it `loops` or `intentIds` has to name some."""
    anew: bool = False
    """With keys that were never used, for what ended unclearly; with its old key a sprite answers from its record."""


class HandoffDispatch(_Dispatch):
    """Which of the intents that autonomy may carry out are carried out; default all."""


class Lever(Body):
    """Why a lever is pulled."""

    note: Line = ""
    """Why; it is in the audit."""


class KillSwitch(Lever):
    """The kill switch."""

    engaged: bool
    """True stops all autonomy; false lets it go on as far as the registry permits."""

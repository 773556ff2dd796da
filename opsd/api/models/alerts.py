"""What requests about alerts may say, of the whole fleet or of one loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from opsd.api.models.base import Body, Flag, Line, LoopIdText, Moment, Query, Text


class SilencesQuery(Query):
    """Which silences."""

    all: Flag = False
    """Those that have ended too."""


class SinksQuery(Query):
    """The catalog of sinks."""

    envCheck: Flag = False
    """Refuse when an enabled sink's secrets are not set, as `opsd alerts resolve` does."""


class RouteQuery(SinksQuery):
    """Where alerts of a category go."""

    category: Text
    """The escalation's category."""
    severity: Literal["info", "warning", "critical"] | None = None
    """Instead of the category's own."""


class MatcherBody(Body):
    """What a label has to be."""

    name: Literal["loopId", "category", "severity", "transport", "reasonCode", "sinkId"]
    """The label."""
    value: Text
    """What it is compared with."""
    isRegex: bool = False
    """The value is a regular expression that has to match as a whole."""
    isEqual: bool = True
    """False: it must not be that."""


class SilenceBody(Body):
    """Tell nobody of what the matchers describe, until it ends."""

    matchers: list[MatcherBody] = Field(min_length=1, max_length=50)
    """All of them have to hold."""
    durationSeconds: int = Field(ge=1, le=31_536_000)
    """How long."""
    startsAt: Moment | None = None
    """When it begins; default now."""
    comment: Line = ""
    """Why."""


class Replay(Body):
    """Which dead letters are told again."""

    deliveryId: Text | None = None
    """This one only; default all of the loop's."""


class SinkTest(Body):
    """A synthetic event."""

    loopId: LoopIdText
    """In whose name it is sent."""


class AlertsDispatch(Body):
    """A run of the dispatcher. Every field is a flag of the command (:mod:`opsd.api.flags`)."""

    maxEscalations: int = Field(default=0, ge=0, le=1_000_000_000)
    """New rows at most; 0 is all."""
    resetCursor: bool = False
    """Read the escalations from their first line again."""
    dryRun: bool = False
    """Say what would be sent, with secrets masked; send and write nothing."""
    deliveryBudgetSeconds: int = Field(default=10, ge=0, le=300)
    """The run ends within so many seconds."""
    failOnDeliveryFailure: bool = False
    """Exit code 2 when the run's status is `failed` or `partial`."""

"""What requests may say: query parameters and bodies. Unknown, missing, doubled or ill-typed fields are refused.

A model's JSON schema is what the OpenAPI document shows, so every rule that a schema can express stands in it: what
the schema lets pass is never answered with ``invalid_request``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: Text of one line that a log, a journal and a command line can carry.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
#: Characters that may be in a loop id; whether there is such a loop is another question.
LOOP_ID_PATTERN = r"^[^/\\\x00-\x1f\x7f-\x9f]+$"
_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def _digits(value: object) -> object:
    """Pydantic would also read ``1.0``, ``1_000`` and digits of other scripts."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()):
            raise ValueError("must be a whole number in ASCII digits")
        return int(value[:19])
    return value


def _flag(value: object) -> object:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


Line = Annotated[str, Field(max_length=500, pattern=_LINE)]
LoopIdText = Annotated[str, Field(min_length=1, max_length=200, pattern=LOOP_ID_PATTERN)]
Moment = Annotated[str, Field(pattern=rf"^20[2-9][0-9]-{_DAY}T{_CLOCK}Z$")]
Number = Annotated[int, BeforeValidator(_digits)]
Window = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_digits)]
LineNumber = Annotated[int, Field(ge=1, le=10**15), BeforeValidator(_digits)]
Limit = Annotated[int, Field(ge=0, le=10**9), BeforeValidator(_digits)]
Changes = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_digits)]
Duration = Annotated[int, Field(ge=0, le=3600), BeforeValidator(_digits)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class Query(BaseModel):
    """Query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Body(BaseModel):
    """A JSON body."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class NoQuery(Query):
    """No parameters at all."""


class LoopsQuery(Query):
    """Which loops, and which page of them."""

    state: Line | None = None
    """Only loops in this lifecycle state."""
    health: Literal["healthy", "degraded", "critical"] | None = None
    """Only loops of this health."""
    reason: Line | None = None
    """Only loops whose health has this reason code."""
    limit: Number = Field(default=100, ge=1, le=1000)
    """Loops on a page."""
    cursor: LoopIdText | None = None
    """`nextCursor` of the page before; a loop that is gone since does not matter."""


class RowsQuery(Query):
    """The newest rows of a log."""

    limit: Number = Field(default=100, ge=1, le=1000)
    """Rows at most, newest last."""


class ExplainQuery(Query):
    """Which candidate."""

    candidate: Annotated[Line, Field(min_length=1)]
    """`<loop>:<category>`, or a loop for all of its candidates."""


class CandidatesQuery(Query):
    """Which of the policy's candidates."""

    loop: LoopIdText | None = None
    """Only this loop's."""
    category: Line | None = None
    """Only those of this category."""
    eligible: Flag | None = None
    """Only those that autonomy may, or may not, act on."""


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

    category: Annotated[Line, Field(min_length=1)]
    """The escalation's category."""
    severity: Literal["info", "warning", "critical"] | None = None
    """Instead of the category's own."""


class StreamQuery(Query):
    """What of the stream."""

    loop: LoopIdText | None = None
    """Only changes of this loop."""
    maxEvents: Changes | None = None
    """The stream ends behind so many changes."""
    forSeconds: Duration | None = None
    """The stream ends after this time; 0: when everything behind `Last-Event-ID` is sent."""


class Nothing(Body):
    """An object without members."""


class MatcherBody(Body):
    """What a label has to be."""

    name: Literal["loopId", "category", "severity", "transport", "reasonCode", "sinkId"]
    """The label."""
    value: Annotated[Line, Field(min_length=1)]
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

    deliveryId: Annotated[Line, Field(min_length=1)] | None = None
    """This one only; default all of the loop's."""


class SinkTest(Body):
    """A synthetic event."""

    loopId: LoopIdText
    """In whose name it is sent."""

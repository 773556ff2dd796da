"""What a request for the stream may say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from opsd.api.models.base import LoopIdText, Query, digits

Changes = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(digits)]
Duration = Annotated[int, Field(ge=0, le=3600), BeforeValidator(digits)]


class StreamQuery(Query):
    """What of the stream."""

    loop: LoopIdText | None = None
    """Only changes of this loop."""
    maxEvents: Changes | None = None
    """The stream ends behind so many changes."""
    forSeconds: Duration | None = None
    """The stream ends after this time; 0: when everything behind `Last-Event-ID` is sent."""

"""What the models of requests have in common: the two kinds of them, and the types and marks of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from opsd.access.token_format import PATTERN as _TOKEN
from opsd.access.token_format import holds_token

#: Text of one line that a log, a journal and a command line can carry.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
#: Characters that may be in a loop id; whether there is such a loop is another question.
LOOP_ID_PATTERN = r"^[^/\\\x00-\x1f\x7f-\x9f]+$"
_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def digits(value: object) -> object:
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


def _no_token(text: str) -> str:
    if holds_token(text):
        raise ValueError("must not hold a token")
    return text


#: Never a token, which somebody may put there by mistake: what is asked for is kept in audit and artifacts.
Line = Annotated[
    str,
    Field(max_length=500, pattern=_LINE, json_schema_extra={"not": {"pattern": _TOKEN}}),
    AfterValidator(_no_token),
]
Text = Annotated[Line, Field(min_length=1)]
LoopIdText = Annotated[str, Field(min_length=1, max_length=200, pattern=LOOP_ID_PATTERN)]
Moment = Annotated[str, Field(pattern=rf"^20[2-9][0-9]-{_DAY}T{_CLOCK}Z$")]
Number = Annotated[int, BeforeValidator(digits)]
Window = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(digits)]
LineNumber = Annotated[int, Field(ge=1, le=10**15), BeforeValidator(digits)]
Limit = Annotated[int, Field(ge=0, le=10**9), BeforeValidator(digits)]
#: Seconds for which an intent's effect is looked for, and between two looks.
LookTime = Annotated[int, Field(ge=0, le=600)]
LookInterval = Annotated[int, Field(ge=0, le=60)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class Query(BaseModel):
    """Query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Body(BaseModel):
    """A JSON body."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class NoQuery(Query):
    """No parameters at all."""


class Nothing(Body):
    """An object without members."""


@dataclass(frozen=True, slots=True)
class FlagName:
    """The flag of a field whose name does not tell it, as in ``Annotated[list[str], FlagName("--evidence-ref")]``."""

    name: str


@dataclass(frozen=True, slots=True)
class Operand:
    """Marks the field of the one word that a command takes beside its flags.

    Its type has to admit such words only as do not begin with a dash, which a command would take for a flag.
    """

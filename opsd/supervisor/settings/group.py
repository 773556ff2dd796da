"""What every group of settings has in common: strict models, durations and counts with bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Seconds = Annotated[float, Field(ge=0, le=31_536_000)]
"""A duration in seconds that may be zero."""

Period = Annotated[float, Field(gt=0, le=31_536_000)]
"""A duration in seconds that may not be zero."""

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""How many of something, at least one."""


def no_boolean_for_a_number(model: type[BaseModel], value: object, info: ValidationInfo) -> object:
    """``value``, unless it is a boolean where a number is wanted: pydantic would take it for one.

    Raises:
        ValueError: it is.
    """
    field = model.model_fields[info.field_name or ""]
    if isinstance(value, bool) and field.annotation is not bool:
        raise ValueError("a boolean is not accepted here")
    return value


class Group(BaseModel):
    """One table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object, info: ValidationInfo) -> object:
        return no_boolean_for_a_number(cls, value, info)

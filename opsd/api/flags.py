"""A request's body as the flags of a command: ``maxDrillAgeHours`` is ``--max-drill-age-hours``, and back.

The API turns a body into flags of the command that it starts, ``opsd --server`` turns flags into the body that it
sends: both by the rule that stands here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel

from opsd.api.models.base import Body, FlagName, Operand
from opsd.contract.jsoncodec import JsonValue


def operand_of(model: type[BaseModel]) -> str | None:
    """The field that is the command's operand, None where it takes none."""
    fields = model.model_fields.items()
    return next((name for name, field in fields if any(isinstance(one, Operand) for one in field.metadata)), None)


def flag_of(model: type[BaseModel], field: str) -> str:
    """The flag that ``field`` stands for."""
    given = [one.name for one in model.model_fields[field].metadata if isinstance(one, FlagName)]
    return given[0] if given else "--" + re.sub("([A-Z])", lambda capital: "-" + capital[1].lower(), field)


def fields_by_flag(model: type[BaseModel]) -> Mapping[str, str]:
    """Every field of a model that is a flag, by its flag."""
    operand = operand_of(model)
    return {flag_of(model, field): field for field in model.model_fields if field != operand}


def flags_of(body: Body) -> list[str]:
    """What the body says, as flags in the order of its fields; what it does not say is left to the command."""
    argv: list[str] = []
    operand = operand_of(type(body))
    for field in type(body).model_fields:
        if field not in body.model_fields_set:
            continue
        value, flag = getattr(body, field), flag_of(type(body), field)
        if value is None or value is False:
            continue
        if field == operand:
            argv.append(str(value))
        elif value is True:
            argv.append(flag)
        else:
            for one in value if isinstance(value, list) else [value]:
                argv += [flag, plain(one) if isinstance(one, float) else str(one)]
    return argv


def kind_of(model: type[BaseModel], field: str) -> type:
    """``bool``, ``int``, ``float``, ``list`` or ``str``: how a field's value is read from a command line."""
    annotation = model.model_fields[field].annotation
    kinds = {*map(_origin, get_args(annotation) or ()), _origin(annotation)}
    return next((kind for kind in (bool, list, int, float) if kind in kinds), str)


def plain(number: float) -> str:
    """A number as the commands read it: without an exponent."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def _origin(annotation: object) -> object:
    return getattr(annotation, "__origin__", annotation)


def body_of(model: type[BaseModel], values: Mapping[str, list[str]]) -> dict[str, JsonValue]:
    """The body that flags stand for: every value that was given of each flag, none for a switch.

    Raises:
        ValueError: a number is none; the message names the flag.
    """
    by_flag = fields_by_flag(model)
    return {by_flag[flag]: _read(flag, kind_of(model, by_flag[flag]), given) for flag, given in values.items()}


def _read(flag: str, kind: type, given: list[str]) -> JsonValue:
    if kind is bool:
        return True
    if kind is list:
        return [*given]
    text = given[-1]
    if kind is int:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ValueError(f"{flag} must be a whole number")
        return int(text)
    if kind is float:
        if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?|\.[0-9]{1,15}", text, re.ASCII) is None:
            raise ValueError(f"{flag} must be a number")
        return float(text)
    return text

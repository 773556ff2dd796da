"""``docs/reference/settings.md``: every setting of the daemon, from the model that checks them."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from opsd.supervisor.settings.load import CONTRACT_VARIABLES, Settings, env_name, flag_name, is_secret, setting_fields
from opsd.supervisor.settings.model import is_fixed
from tools.reference.markdown import code, page, table

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "text", Path: "path", SecretStr: "secret"}
_UNITS = (("_seconds", "s"), ("_bytes", "bytes"), ("_percent", "%"))
_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))

_INTRO = """What `opsd run` can be told. A flag stands over its environment variable, this over the file
(`--config`, `$OPSD_CONFIG`, `/etc/opsd/opsd.toml`), this over the default. In the file a setting `http.port` is
`port` in the table `[http]`. A file in `$CREDENTIALS_DIRECTORY` that has a variable's name stands for the variable.
[configure.md](../configure.md) tells how to find out what is in force.

**at** says when a change takes effect: `reload` on SIGHUP, `start` at the next start only. Secrets have no flag: a
command line is visible to every user of the host."""


def document() -> str:
    """The page."""
    parts = [_INTRO]
    groups: dict[str, list[tuple[str, FieldInfo]]] = {}
    for key, field in setting_fields().items():
        groups.setdefault(key.rpartition(".")[0], []).append((key, field))
    for group, fields in groups.items():
        parts.append(_heading(group))
        rows = [_row(key, field) for key, field in fields]
        parts.append(table(("setting", "type", "unit", "default", "at", "environment, flag", "meaning"), rows))
    parts.append("## Variables of the contract\n\nRead where the setting's own variable is not set:")
    parts.append(table(("variable", "setting"), [(code(v), code(k)) for k, v in CONTRACT_VARIABLES.items()]))
    return page("Settings", *parts)


def _heading(group: str) -> str:
    if not group:
        return "## At the top"
    model = Settings.model_fields[group].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return f"## {group}\n\n{' '.join((model.__doc__ or '').split())}"


def _row(key: str, field: FieldInfo) -> tuple[str, ...]:
    names = code(env_name(key)) + ("" if is_secret(field) else f" {code(flag_name(key))}")
    unit = next((unit for suffix, unit in _UNITS if key.endswith(suffix)), "")
    meaning = re.sub(r"\s*Default:? [^.]*(?:\.\w[^.]*)*\.\s*$", "", " ".join((field.description or "").split()))
    when = "start" if is_fixed(key) else "reload"
    return code(key), _type(field), unit, _default(field), when, names, meaning


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {_number(getattr(one, name))}"
        for one in field.metadata
        for name, sign in _BOUNDS
        if getattr(one, name, None) is not None
    ]
    return ", ".join([_name_of(field.annotation), *bounds])


def _name_of(annotation: object) -> str:
    if typing.get_origin(annotation) is Literal:
        return " or ".join(map(code, typing.get_args(annotation)))
    if isinstance(annotation, UnionType) or typing.get_origin(annotation) is typing.Union:
        return next(_name_of(one) for one in typing.get_args(annotation) if one is not NoneType)
    assert isinstance(annotation, type)
    return _TYPES[annotation]


def _default(field: FieldInfo) -> str:
    assert field.default is not PydanticUndefined
    if field.default is None:
        # Where a setting that is not given has a meaning of its own, its text says so.
        told = re.search(r"Default: (.+)\.$", " ".join((field.description or "").split()))
        return told[1] if told else "none"
    if isinstance(field.default, bool):
        return code(str(field.default).lower())
    if isinstance(field.default, Path):
        return code(str(field.default))
    return code(_number(field.default) if isinstance(field.default, float) else str(field.default))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)

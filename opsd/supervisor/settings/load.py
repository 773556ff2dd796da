"""Where settings come from: flags, then the environment, then one TOML file, then the defaults.

Guarantees: every value's origin is known by name; a bad or unknown key is reported with the flag, the variable or
the file it came from, all of them at once; no message repeats the value of a secret.

The environment variable of ``http.port`` is ``OPSD_HTTP__PORT``; a credential file of that name stands in for it
(:mod:`opsd.runtime.credentials`). A few names of the contract (20, 2.1) are read where ours is not set. The file is
``--config``, else ``$OPSD_CONFIG``, else ``/etc/opsd/opsd.toml`` if present.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as SourceError

from opsd.contract.errors import UsageError
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor.settings.model import Settings

__all__ = [
    "DEFAULT_CONFIG_FILE",
    "LoadedSettings",
    "Origin",
    "Settings",
    "SettingsError",
    "env_name",
    "flag_name",
    "is_secret",
    "load_settings",
    "setting_fields",
]

DEFAULT_CONFIG_FILE = Path("/etc/opsd/opsd.toml")
MAX_CONFIG_BYTES = 1_048_576

#: Variables of the contract that stand in where ours is not set.
CONTRACT_VARIABLES: Mapping[str, str] = {
    "service_token": "OPS_MANAGER_SERVICE_TOKEN",
    "thresholds.profile": "OPS_MANAGER_THRESHOLD_PROFILE",
    "thresholds.profiles_file": "OPS_MANAGER_THRESHOLD_PROFILES_FILE",
    "alerts.enabled": "OPS_MANAGER_ALERTS_ENABLED",
    "alerts.catalog_file": "OPS_MANAGER_ALERT_SINKS_FILE",
    "alerts.delivery_file": "OPS_MANAGER_ALERT_DELIVERY_FILE",
}


class SettingsError(UsageError):
    """Settings that cannot be used; ``problems`` holds one ``<where>: <key>: <what>`` per fault."""

    default_code = "invalid_settings"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    @property
    def lines(self) -> Sequence[str]:
        """Each fault is an error of its own."""
        return self.problems[:1] + [f"error: {problem}" for problem in self.problems[1:]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from. ``name`` is the flag, variable, credential or file; empty for a default."""

    kind: Literal["flag", "env", "credential", "file", "default"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, the origin of each by dotted key, and the file that was read (None: no file)."""

    settings: Settings
    origins: Mapping[str, Origin]
    config_file: Path | None

    def items(self) -> Iterator[tuple[str, object, Origin]]:
        """``(key, value, origin)`` of every setting, in the order of the model. Secrets stay ``SecretStr``."""
        for key in setting_fields():
            value: object = self.settings
            for part in key.split("."):
                value = getattr(value, part)
            yield key, value, self.origins[key]


def setting_fields(model: type[BaseModel] = Settings, prefix: str = "") -> dict[str, FieldInfo]:
    """Every setting by its dotted key, groups resolved, in the order of the model."""
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields.update(setting_fields(field.annotation, f"{prefix}{name}."))
        else:
            fields[prefix + name] = field
    return fields


def is_secret(field: FieldInfo) -> bool:
    """True for a setting that is only ever shown masked."""
    return "SecretStr" in str(field.annotation)


def flag_name(key: str) -> str:
    """``--http-port`` for ``http.port``."""
    return "--" + key.replace(".", "-").replace("_", "-")


def env_name(key: str) -> str:
    """``OPSD_HTTP__PORT`` for ``http.port``."""
    return "OPSD_" + key.replace(".", "__").upper()


def load_settings(
    flags: Mapping[str, object],
    env: Mapping[str, str],
    config_file: str | None = None,
    *,
    default_file: Path = DEFAULT_CONFIG_FILE,
) -> LoadedSettings:
    """Settings from all sources.

    ``flags`` maps dotted keys to values (None: not given), ``config_file`` is the value of ``--config``.

    Raises:
        SettingsError: a file that cannot be read, an unknown key, or a value that is not accepted.
    """
    path = _config_path(env, config_file, default_file)
    given = {key: value for key, value in flags.items() if value is not None}
    file_values = _read_toml(path) if path is not None else {}
    layers: list[tuple[Origin, dict[str, Any]]] = [
        (Origin("file", str(path)), file_values),
        (Origin("env"), _read_env(env)),
        (Origin("flag"), _nested(given)),
    ]
    merged: dict[str, Any] = {}
    sources: dict[str, Origin] = {}
    for layer, values in layers:
        _merge(merged, values)
        for key in _leaves(values):
            for replaced in [known for known in sources if known.startswith(f"{key}.")]:
                del sources[replaced]
            sources[key] = _named(layer, key, env)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_problems(error, sources)) from None
    origins = {key: sources.get(key, Origin("default")) for key in setting_fields()}
    return LoadedSettings(settings, origins, path)


def _config_path(env: Mapping[str, str], flag: str | None, default_file: Path) -> Path | None:
    chosen = flag or env.get("OPSD_CONFIG")
    if chosen:
        return Path(chosen)
    return default_file if default_file.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {(error.strerror or 'unreadable').lower()}"]) from None
    if len(data) > MAX_CONFIG_BYTES:
        raise SettingsError([f"{path}: larger than {MAX_CONFIG_BYTES} bytes"])
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: not UTF-8"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None


def _read_env(env: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings, env_ignore_empty=True)
    groups = tuple(
        f"OPSD_{name}__".upper()
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )
    known = {env_name(key) for key in setting_fields()}
    for name in sorted(env):
        if name.startswith(groups) and name not in known:
            raise SettingsError([f"env {name}: unknown setting{_hint(name, known)}"])
    source.env_vars = {name.lower(): value for name, value in env.items() if name in known and value}
    try:
        values: dict[str, Any] = source()
    except SourceError as error:
        raise SettingsError([f"env: {error}"]) from None
    for key, name in CONTRACT_VARIABLES.items():
        if env.get(name) and not env.get(env_name(key)):
            if key == "alerts.enabled" and env[name] not in ("true", "false"):
                # As the command does (20, 8, row 14): a daemon that silently tells nobody would be worse.
                raise SettingsError([f"env {name}: {key}: must be true or false"])
            _merge(values, _nested({key: env[name]}))
    return values


def _named(layer: Origin, key: str, env: Mapping[str, str]) -> Origin:
    if layer.kind == "flag":
        return Origin("flag", flag_name(key))
    if layer.kind == "env":
        own = env_name(key)
        used = own if env.get(own) else CONTRACT_VARIABLES.get(key, own)
        is_file = isinstance(env, CredentialEnvironment) and env.is_file(used)
        return Origin("credential" if is_file else "env", used)
    return layer


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, leaf = key.split(".")
        table = root
        for group in groups:
            table = table.setdefault(group, {})
        table[leaf] = value
    return root


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict):
            table = base.get(key)
            base[key] = table = dict(table) if isinstance(table, dict) else {}
            _merge(table, value)
        else:
            base[key] = value


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _problems(error: ValidationError, sources: Mapping[str, Origin]) -> list[str]:
    fields = setting_fields()
    problems = []
    for fault in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in fault["loc"])
        where = sources.get(key) or next((o for k, o in sources.items() if k.startswith(f"{key}.")), Origin("default"))
        # A file is named by its path; flags and variables say that they are one.
        place = where.name if where.kind == "file" else str(where)
        if fault["type"] == "extra_forbidden":
            what = "unknown setting" + _hint(key, fields)
        else:
            what = _fault_text(fault["type"], fault["msg"])
            shown = fault["input"]
            if key in fields and not is_secret(fields[key]) and isinstance(shown, str | int | float):
                what += f", got {str(shown)[:80]!r}" if isinstance(shown, str) else f", got {shown}"
        problems.append(f"{place}: {key}: {what}")
    return problems


def _fault_text(kind: str, message: str) -> str:
    if kind in ("model_type", "dict_type"):
        return "a table is expected"
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _hint(name: str, known: Mapping[str, object] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if not close:
        same_leaf = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]]
        close = same_leaf[:1]
    return f", did you mean {close[0]}?" if close else ""

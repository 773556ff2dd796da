"""Settings as they are shown, and what is wrong with them, for ``opsd config`` and the API. No secret is in either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from opsd.contract.errors import OpsError, file_trouble
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor.settings.load import LoadedSettings, SettingsError
from opsd.supervisor.settings.model import Settings, needs_restart
from opsd.supervisor.settings.tokens import api_token, service_token

MASK = "********"

Load = Callable[[], tuple[LoadedSettings, CredentialEnvironment]]


def shown_settings(loaded: LoadedSettings) -> JsonObject:
    """Every setting, its value and where it came from; a secret that is set is masked."""
    return {
        "configFile": _plain(loaded.config_file),
        "settings": [
            {"key": key, "value": _plain(value), "origin": origin.kind, "originName": origin.name or None}
            for key, value, origin in loaded.items()
        ],
    }


def check_settings(load: Load, further: Callable[[Settings], object] = lambda _settings: None) -> JsonObject:
    """Whether the settings that ``load`` finds could be used, and one problem per fault. Blocking.

    Args:
        further: what is tried with them; it raises what is wrong.
    """
    file: JsonValue = None
    problems: Sequence[str] = ()
    try:
        loaded, env = load()
        file = _plain(loaded.config_file)
        api_token(loaded.settings)
        service_token(loaded.settings, env, None)
        further(loaded.settings)
    except SettingsError as error:
        problems = error.problems
    except OpsError as error:
        problems = error.lines or (error.message,)
    except OSError as error:
        problems = [file_trouble(error)]
    return {"usable": not problems, "configFile": file, "problems": [*problems]}


class RunningSettings:
    """The settings of a daemon: what it was started with, what is in force, and what its sources say now.

    Args:
        started: what it was started with.
        look: reads the sources without putting anything into force.
    """

    def __init__(self, started: LoadedSettings, look: Load) -> None:
        self._started = started
        self._look = look
        self.loaded = started

    @property
    def current(self) -> Settings:
        """What is in force, but for what takes effect at the next start only."""
        return self.loaded.settings

    def shown(self) -> JsonObject:
        """Every setting, its value and its origin; and those that take effect at the next start only."""
        return {**shown_settings(self.loaded), "needsRestart": [*self.waiting(self.current)]}

    def check(self, further: Callable[[Settings], object]) -> JsonObject:
        """Whether a reload would succeed, and which settings would need a start. Blocking."""
        waiting: list[JsonValue] = []

        def look_further(settings: Settings) -> None:
            waiting.extend(self.waiting(settings))
            further(settings)

        return {**check_settings(self._look, look_further), "needsRestart": waiting}

    def waiting(self, wanted: Settings) -> list[str]:
        """What of ``wanted`` takes effect at the next start only: the daemon works by what it was started with."""
        return needs_restart(self._started.settings, wanted)


def _plain(value: object) -> JsonValue:
    if isinstance(value, SecretStr):
        return MASK
    return str(value) if isinstance(value, Path) else value

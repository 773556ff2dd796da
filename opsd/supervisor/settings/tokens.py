"""Which token is sent to which sprite service, and which one the daemon's own API asks for.

Guarantees: a token is read from a variable or a file, lives in a :class:`pydantic.SecretStr`, and is in no error
text; one that could break a header (a line break, a control character) is refused. Contract 60, 3.3; 20, 8 row 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from opsd.access.source import PrincipalsSource
from opsd.supervisor.settings.load import SettingsError
from opsd.supervisor.settings.model import Settings

MAX_TOKEN_FILE_BYTES = 65_536


def _secret_text(value: SecretStr | None, file: Path | None, key: str) -> str | None:
    """The secret itself: ``value``, else the first line of ``file``, else None. Blanks around it are dropped.

    Raises:
        SettingsError: the file cannot be read or is empty, or the secret holds a control character.
    """
    if value is not None:
        text = value.get_secret_value().strip()
    elif file is not None:
        try:
            with file.open("rb") as handle:
                text = handle.read(MAX_TOKEN_FILE_BYTES).decode("utf-8", "replace").strip()
        except OSError as error:
            reason = (error.strerror or "unreadable").lower()
            raise SettingsError([f"{file}: {key}: cannot be read: {reason}"]) from None
        if not text:
            raise SettingsError([f"{file}: {key}: holds no token"])
    else:
        return None
    if not text.isprintable() or not text.isascii():
        raise SettingsError([f"{key}: a token may hold printable ASCII characters only"])
    return text or None


def service_token(settings: Settings, env: Mapping[str, str], token_env: str | None) -> tuple[SecretStr | None, str]:
    """The token for one loop's sprite service, and where it came from (fit for a log).

    ``token_env`` is the registry's ``service.tokenEnv``: when given, that variable and nothing else holds the token
    (contract 60, 3.3). Otherwise `service_token`, then `service_token_file`.

    Raises:
        SettingsError: the named variable is not set, or the token cannot be used.
    """
    if token_env:
        if not env.get(token_env):
            raise SettingsError([f"env {token_env}: not set, but named by service.tokenEnv"])
        text = _secret_text(SecretStr(env[token_env]), None, f"env {token_env}")
        return (SecretStr(text) if text else None), f"env {token_env}"
    text = _secret_text(settings.service_token, settings.service_token_file, "service_token")
    if text is None:
        return None, "none"
    return SecretStr(text), "setting service_token" if settings.service_token else f"file {settings.service_token_file}"


def api_token(settings: Settings) -> SecretStr | None:
    """The token of the daemon's own API, None when none is set.

    Raises:
        SettingsError: the token's file cannot be used.
    """
    text = _secret_text(settings.http.api_token, settings.http.api_token_file, "http.api_token")
    return SecretStr(text) if text else None


def principals_source(settings: Settings) -> PrincipalsSource | None:
    """The principals file of the daemon's own API, not read yet; None when none is set."""
    file = settings.http.principals_file
    return None if file is None else PrincipalsSource(str(file))

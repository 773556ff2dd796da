"""Secrets that the service manager or a container engine hands over as files (systemd's ``LoadCredential``).

Each file in ``$CREDENTIALS_DIRECTORY`` that is named like a variable stands for that variable, so whatever may come
from the environment (the service token, ``service.tokenEnv`` of a registry entry, the API token, the secrets of alert
sinks) may come from a file as well, and then is in no process's environment.

Guarantees: a variable that is set stands over the file of its name; files of other names are left alone; a file that
cannot be used is an error, never an empty secret; no message holds a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from opsd.contract.errors import UsageError

DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
MAX_CREDENTIAL_BYTES = 65_536
MAX_CREDENTIALS = 4_096

#: systemd puts the id of a credential and ``_`` before the name of each file of a folder: ``opsd_SPRITE_TOKEN``.
_NAME = re.compile(r"(?:[a-z][a-z0-9-]*_)?([A-Z][A-Z0-9_]*)")


class CredentialEnvironment(Mapping[str, str]):
    """``env``, and behind it the credential files; read once, and again by :meth:`refresh`.

    Raises:
        UsageError: the folder that ``env`` names or a file in it cannot be used.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._files: Mapping[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the files again; when one cannot be used, what was read before stays in force.

        Raises:
            UsageError: the folder or a file in it cannot be used.
        """
        folder = self._env.get(DIRECTORY_VARIABLE)
        self._files = _read_folder(folder) if folder else {}

    def is_file(self, name: str) -> bool:
        """Whether the value of ``name`` comes from a file."""
        return not self._env.get(name) and name in self._files

    def __getitem__(self, name: str) -> str:
        value = self._env.get(name)
        if value:
            return value
        if name in self._files:
            return self._files[name]
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._env
        yield from (name for name in self._files if name not in self._env)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _read_folder(folder: str) -> dict[str, str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"{folder}: credentials: cannot be read: {_reason(error)}") from None
    if len(names) > MAX_CREDENTIALS:
        raise UsageError(f"{folder}: credentials: more than {MAX_CREDENTIALS} files")
    found: dict[str, str] = {}
    for name in names:
        variable = _NAME.fullmatch(name)
        if variable is not None:  # a plain name sorts before one with an id, and stands over it
            found.setdefault(variable[1], _read(os.path.join(folder, name)))
    return found


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CREDENTIAL_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: credential: cannot be read: {_reason(error)}") from None
    if len(data) > MAX_CREDENTIAL_BYTES:
        raise UsageError(f"{path}: credential: larger than {MAX_CREDENTIAL_BYTES} bytes")
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: credential: not UTF-8") from None
    if not text or "\0" in text:
        raise UsageError(f"{path}: credential: {'holds a NUL byte' if text else 'is empty'}")
    return text


def _reason(error: OSError) -> str:
    return (error.strerror or "unreadable").lower()

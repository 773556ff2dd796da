"""The sprite service's token of a one-shot command: from a flag, a file, the environment, or a credential.

Contract 30, weakness 17.
"""

from __future__ import annotations

import os

from opsd.cli.arguments import Arguments
from opsd.contract.errors import UsageError
from opsd.runtime.credentials import CredentialEnvironment

VARIABLE = "OPS_MANAGER_SERVICE_TOKEN"


def service_token(arguments: Arguments, flag: str = "--service-token", env: str = VARIABLE) -> str:
    """The token, empty when there is none. ``<flag>-file`` names a file that holds it.

    Raises:
        UsageError: the file or the credentials cannot be read.
    """
    path = arguments.optional(f"{flag}-file")
    if path is None or arguments.given(flag):
        return arguments.optional(flag) or CredentialEnvironment(os.environ).get(env, "")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(64 * 1024).strip()
    except (OSError, ValueError):
        raise UsageError(f"token file cannot be read: {path}") from None

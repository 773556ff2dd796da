"""Where a one-shot command gets the sprite service's token: a flag, a file, or the environment (30, weakness 17)."""

from __future__ import annotations

from opsd.cli.arguments import Arguments
from opsd.contract.errors import UsageError

VARIABLE = "OPS_MANAGER_SERVICE_TOKEN"


def service_token(arguments: Arguments, flag: str = "--service-token", env: str = VARIABLE) -> str:
    """The token, empty when there is none. ``<flag>-file`` names a file that holds it.

    Raises:
        UsageError: the file cannot be read.
    """
    path = arguments.optional(f"{flag}-file")
    if path is None or arguments.given(flag):
        return arguments.optional(flag, env) or ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(64 * 1024).strip()
    except (OSError, ValueError):
        raise UsageError(f"token file cannot be read: {path}") from None

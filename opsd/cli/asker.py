"""Who types a command that leaves its author in an audit or a book."""

from __future__ import annotations

import os

from opsd.cli.arguments import Arguments


def asker(arguments: Arguments, flag: str = "--by") -> str:
    """What the flag says, else ``$USER``, else the login name: services and containers have no USER."""
    return arguments.optional(flag, env="USER") or _login_name()


def _login_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # not every user id has a name
        return f"uid-{os.getuid()}"

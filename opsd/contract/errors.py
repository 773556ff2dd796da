"""The one error hierarchy of the project.

Every error carries a message for a person (what follows ``error: `` on stderr), a ``code`` for a machine and
optional fields for the log. Commands print the message and exit 1 (contract 10, 1.4); the HTTP surfaces answer
``{"ok": false, "error": {"code", "message"}}``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


class OpsError(Exception):
    """An expected failure. ``message`` never holds a secret or a stack trace.

    Args:
        code: for a machine; each class has its default.
        exit_code: what a command ends with because of it.
    """

    default_code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None, exit_code: int = 1, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.exit_code = exit_code
        self.fields = fields

    @property
    def lines(self) -> Sequence[str]:
        """The message as a command prints it, line by line; nothing where a person was told already."""
        return (self.message,)


class UsageError(OpsError):
    """A flag, setting or id that cannot be used."""

    default_code = "invalid_request"


class RegistryError(UsageError):
    """A fleet registry that is missing, no JSON, or has violations, one bullet each (contract 60, 2.1 steps 2 to 4)."""

    def __init__(self, headline: str, bullets: Sequence[str] = ()) -> None:
        super().__init__("\n - ".join((headline, *bullets)))
        self.headline = headline
        self.bullets = tuple(bullets)

    @property
    def lines(self) -> Sequence[str]:
        """The headline and the bullets."""
        return (self.headline, *(f" - {bullet}" for bullet in self.bullets))


class ReplacedStepError(OpsError):
    """A program in place of a step ended with ``exit_code`` and has told why on stderr itself."""

    default_code = "replaced_step"

    @property
    def lines(self) -> Sequence[str]:
        """Nothing."""
        return ()


class StepFailedError(OpsError):
    """A step ended with ``exit_code``; what it printed is handed on as it is, without a word of ours."""

    default_code = "step_failed"

    def __init__(self, message: str, output: str, *, exit_code: int) -> None:
        super().__init__(message, exit_code=exit_code)
        self.output = output

    @property
    def lines(self) -> Sequence[str]:
        """Nothing: who catches it prints ``output``."""
        return ()


class ArtifactError(OpsError):
    """A runtime artifact that is missing, undecodable, of the wrong type or over a limit."""

    default_code = "runtime_error"


class CursorError(OpsError):
    """A cursor that does not fit the journal it is used on."""

    default_code = "cursor"


class ManagerFileError(OpsError):
    """A file of the manager's own that cannot be trusted or written."""

    default_code = "manager_file"


class LockTimeoutError(OpsError):
    """Another process or task holds the loop's lock and did not release it in time."""

    default_code = "locked"


class BusyError(OpsError):
    """Others have every place; nothing was done, and the same may succeed a moment later."""

    default_code = "busy"


class NotFoundError(OpsError):
    """There is no such thing, or not yet."""

    default_code = "not_found"


class ProjectionError(OpsError):
    """A snapshot or event envelope that the projection refuses (contract 10, 4.2)."""

    default_code = "projection_failed"


def file_trouble(error: OSError, what: str = "use") -> str:
    """The message of an :class:`OSError` that nobody expected; ``what`` could not be done with its file."""
    named = error.filename
    where = os.fsdecode(named) if isinstance(named, (str, bytes)) else "a file"
    return f"cannot {what} {where}: {error.strerror or type(error).__name__}"

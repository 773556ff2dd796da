"""The one error hierarchy of the project.

Every error carries a message for a person (what follows ``error: `` on stderr), a ``code`` for a machine and
optional fields for the log. Commands print the message and exit 1 (contract 10, 1.4); the HTTP surfaces answer
``{"ok": false, "error": {"code", "message"}}``.
"""

from __future__ import annotations


class OpsError(Exception):
    """An expected failure. ``message`` never holds a secret or a stack trace."""

    default_code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.fields = fields


class UsageError(OpsError):
    """A flag, setting or id that cannot be used."""

    default_code = "invalid_request"


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


class ProjectionError(OpsError):
    """A snapshot or event envelope that the projection refuses (contract 10, 4.2)."""

    default_code = "projection_failed"

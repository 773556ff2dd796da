"""Every error that the API answers: a code for programs, a message for people, the HTTP status. One table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from opsd.contract.errors import (
    ArtifactError,
    BusyError,
    CursorError,
    LockTimeoutError,
    NotFoundError,
    OpsError,
    RegistryError,
    UsageError,
    file_trouble,
)


class ErrorCode(StrEnum):
    """What ``error.code`` can be."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    CONTROL_AMBIGUOUS = "control_ambiguous"
    CONTROL_FAILED = "control_failed_command"
    COMMAND_FAILED = "command_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    REGISTRY_UNUSABLE = "registry_unusable"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    TOO_MANY_FAILURES = "too_many_failures"
    INTERNAL_ERROR = "internal_error"
    MANAGER_FILE = "manager_file"
    BUSY = "busy"


#: code -> (HTTP status, what it means).
ERRORS: dict[ErrorCode, tuple[int, str]] = {
    ErrorCode.INVALID_REQUEST: (400, "a parameter, header or the body is not as described; the message names it"),
    ErrorCode.UNAUTHORIZED: (401, "no token, or none that is known, or one that has expired"),
    ErrorCode.FORBIDDEN: (403, "the principal lacks the scope, or may not do this to this loop"),
    ErrorCode.NOT_FOUND: (404, "there is no such loop, document or page"),
    ErrorCode.METHOD_NOT_ALLOWED: (405, "the method is not offered here; `Allow` tells which are"),
    ErrorCode.TIMEOUT: (408, "the body did not arrive in time"),
    ErrorCode.CONFLICT: (409, "well formed, but not possible as things stand; the message says why"),
    ErrorCode.CONTROL_AMBIGUOUS: (
        409,
        "the intent was carried out, and its effect was not seen; look before repeating",
    ),
    ErrorCode.CONTROL_FAILED: (409, "the runtime or the sprite service refused the intent"),
    ErrorCode.COMMAND_FAILED: (409, "the command did not do its work; its message, `exitCode` and document say why"),
    ErrorCode.OUTCOME_UNKNOWN: (409, "the first request with this key was cut off; look before using a new key"),
    ErrorCode.REGISTRY_UNUSABLE: (409, "the fleet registry is missing or invalid"),
    ErrorCode.TOO_LARGE: (413, "the body is larger than `http.max_body_bytes`"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: (415, "the body is not `application/json`, or compressed"),
    ErrorCode.IDEMPOTENCY_CONFLICT: (422, "the idempotency key was used for another request"),
    ErrorCode.TOO_MANY_FAILURES: (429, "too many wrong tokens came from this address; see `Retry-After`"),
    ErrorCode.INTERNAL_ERROR: (500, "a mistake of the daemon's; its log tells more"),
    ErrorCode.MANAGER_FILE: (500, "a file of the manager's own is damaged or cannot be written"),
    ErrorCode.BUSY: (
        503,
        "too many requests or streams at a time or keys in a day, or a lock that others hold; see `Retry-After`",
    ),
}

#: What any route may answer.
ALWAYS = (
    ErrorCode.INVALID_REQUEST,
    ErrorCode.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.BUSY,
)
WITH_TOKEN = (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.TOO_MANY_FAILURES)
WITH_BODY = (ErrorCode.TIMEOUT, ErrorCode.TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE)
#: Of what reads or replaces files that people may have edited.
FILES = (ErrorCode.CONFLICT, ErrorCode.MANAGER_FILE)
#: The same for those of the fleet.
FLEET_FILES = (*FILES, ErrorCode.REGISTRY_UNUSABLE)


class ApiError(Exception):
    """A request that is answered with an error; ``more`` are further members of the answer."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return ERRORS[self.code][0]

    @property
    def document(self) -> dict[str, object]:
        """The answer."""
        return {"ok": False, "error": {"code": self.code.value, "message": self.message}, **self.more}


class NotBegunError(ApiError):
    """Refused as busy before anything was done: the same request, with the same key, may succeed a moment later."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(ErrorCode.BUSY, message, headers={"Retry-After": str(retry_after_s)})


def no_such_loop() -> ApiError:
    """The daemon supervises no loop of this id."""
    return ApiError(ErrorCode.NOT_FOUND, "no such loop")


def file_error(error: OSError) -> ApiError:
    """How a file that cannot be used is answered.

    Raises:
        OSError: ``error`` itself, where it is not about a file.
    """
    if error.filename is None:
        raise error
    return ApiError(ErrorCode.MANAGER_FILE, file_trouble(error))


def api_error(error: OpsError) -> ApiError:
    """How a failure of the rooms below is answered."""
    if isinstance(error, BusyError):
        return NotBegunError(error.message)
    if isinstance(error, NotFoundError):
        return ApiError(ErrorCode.NOT_FOUND, error.message)
    if isinstance(error, LockTimeoutError):
        return ApiError(ErrorCode.BUSY, error.message, headers={"Retry-After": "1"})
    if isinstance(error, RegistryError):
        return ApiError(ErrorCode.REGISTRY_UNUSABLE, "\n".join(error.lines))
    if isinstance(error, UsageError | CursorError | ArtifactError):
        return ApiError(ErrorCode.CONFLICT, error.message)
    code = ErrorCode.MANAGER_FILE if error.code == "manager_file" else ErrorCode.CONFLICT
    return ApiError(code, error.message)

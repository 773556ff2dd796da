"""How failures of the rooms below are answered."""

from __future__ import annotations

import pytest

from opsd.api.failure import NotBegunError, api_error
from opsd.contract.errors import (
    ArtifactError,
    BusyError,
    CursorError,
    LockTimeoutError,
    ManagerFileError,
    NotFoundError,
    OpsError,
    RegistryError,
    UsageError,
)

_LATER = {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("error", "status", "code", "headers", "begun"),
    [
        (BusyError("no place"), 503, "busy", _LATER, False),
        (LockTimeoutError("locked"), 503, "busy", _LATER, True),
        (NotFoundError("none yet"), 404, "not_found", {}, True),
        (RegistryError("bad", ["one"]), 409, "registry_unusable", {}, True),
        (UsageError("no"), 409, "conflict", {}, True),
        (CursorError("no"), 409, "conflict", {}, True),
        (ArtifactError("no"), 409, "conflict", {}, True),
        (OpsError("no"), 409, "conflict", {}, True),
        (ManagerFileError("damaged"), 500, "manager_file", {}, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OpsError) else None,
)
def test_each_failure_has_its_answer(
    error: OpsError, status: int, code: str, headers: dict[str, str], begun: bool
) -> None:
    answer = api_error(error)
    assert (answer.status, answer.code.value, answer.headers) == (status, code, headers)
    assert isinstance(answer, NotBegunError) is not begun
    assert answer.message.startswith(error.lines[0])

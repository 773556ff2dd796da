"""The fleet status, as the promotion gates obtain it (contract 90, A1 and A2.1).

Built in, by the very reader of ``opsd fleet status``, or from the program in ``OPS_MANAGER_FLEET_STATUS_SCRIPT``.
Whatever goes wrong ends with exit code 1: 2 means *hold* to who asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial

from opsd.cli.output import write_error
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError, file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.files import read_bytes

SCRIPT_VARIABLE = "OPS_MANAGER_FLEET_STATUS_SCRIPT"


class StatusStepError(OpsError):
    """There is no fleet status. ``told`` are the lines of what went wrong inside, before the step's own."""

    default_code = "fleet_status"

    def __init__(self, command: str, told: Sequence[str] = ()) -> None:
        super().__init__(f"failed to read fleet status via {command}")
        self._told = told

    @property
    def lines(self) -> Sequence[str]:
        """What went wrong, and that it was the status."""
        return (*self._told, f"error: {self.message}") if self._told else (self.message,)


def fleet_status_of(repo: str) -> JsonObject:
    """The status of the fleet of ``repo``, made now.

    Raises:
        StatusStepError: it cannot be made. A program's stderr has passed through.
        OpsError: a program printed something else.
    """
    program = os.environ.get(SCRIPT_VARIABLE)
    return _from_program(program, repo) if program else _built_in(repo)


def fleet_status_in(path: str) -> JsonObject:
    """The status in a file.

    Raises:
        UsageError: ``fleet status file not found: <path>``, ``invalid fleet status JSON: <path>``.
    """
    data = read_bytes(path)
    if data is None:
        raise UsageError(f"fleet status file not found: {path}")
    return _parse(data, f"invalid fleet status JSON: {path}")


def _built_in(repo: str) -> JsonObject:
    from opsd.cli.fleet.registry_step import normalized_registry
    from opsd.fleet.status.document import fleet_status
    from opsd.fleet.status.read import read_status_inputs
    from opsd.storage.fleet_parts import FleetDocument
    from opsd.storage.fleet_store import FileFleetStore

    store = FileFleetStore(repo)
    registry = partial(normalized_registry, repo, store.location(FleetDocument.REGISTRY))
    try:
        return fleet_status(read_status_inputs(repo, store, registry, clock=time.time))
    except OpsError as error:
        raise StatusStepError("opsd fleet status", error.lines) from error
    except OSError as error:
        raise StatusStepError("opsd fleet status", (file_trouble(error),)) from error


def _from_program(program: str, repo: str) -> JsonObject:
    from opsd.runtime.process import run_program

    answer = run_program([program, "--repo", repo])
    if answer.exit != 0:
        if answer.stderr:
            write_error(answer.stderr.decode("utf-8", "replace").rstrip("\n"))
        raise StatusStepError(program)
    return _parse(answer.stdout, "fleet status output was not valid JSON")


def _parse(data: bytes, message: str) -> JsonObject:
    try:
        value = jsoncodec.loads(data)
    except ValueError:
        raise UsageError(message) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(message)
    return value

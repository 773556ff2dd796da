"""The fleet registry as the daemon's fleet steps see it: read from disk at every use, the last good one as a fallback.

A review deadline that has passed stops autonomy, never observation; a registry that cannot be used stops policy and
handoff, never observation (contract 60, weakness 5). Blocking; for one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from opsd.contract.errors import ManagerFileError, OpsError, file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.registry import ParsedRegistry, load_registry
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore


class Reading(NamedTuple):
    """The registry in force; ``problem`` says why the one on disk is not it, ``expired`` that autonomy has ended."""

    document: JsonObject
    expired: bool
    problem: str | None


class FleetRegistry:
    """Reads the registry of one fleet's store."""

    def __init__(self, store: FleetStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._good: ParsedRegistry | None = None

    @property
    def missing(self) -> bool:
        """There is none, and was none: a repo whose loops are supervised without one."""
        return self._good is None and not self._store.exists(FleetDocument.REGISTRY)

    def read(self) -> Reading:
        """The registry to observe by.

        Raises:
            OpsError: the one on disk cannot be used, and none before it could.
        """
        problem = None
        try:
            self._good = self._load(expiry_is_fatal=False)
        except OpsError as error:
            if self._good is None:
                raise
            problem = error.message
        return Reading(self._good.document, self._good.expired(self._clock()), problem)

    def permitting(self) -> JsonObject:
        """The registry on disk, which permits whatever it says at this very moment.

        Raises:
            OpsError: it cannot be used, or its review deadline has passed.
        """
        return self._load(expiry_is_fatal=True).document

    def observing(self) -> JsonObject:
        """The registry on disk, for what is only looked at or planned.

        Raises:
            OpsError: it cannot be used.
        """
        return self._load(expiry_is_fatal=False).document

    def _load(self, *, expiry_is_fatal: bool) -> ParsedRegistry:
        try:
            data = self._store.read(FleetDocument.REGISTRY)
        except OSError as error:
            raise ManagerFileError(file_trouble(error, "read")) from error
        return load_registry(
            data,
            source=self._store.location(FleetDocument.REGISTRY),
            now=self._clock(),
            expiry_is_fatal=expiry_is_fatal,
        )

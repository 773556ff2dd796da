"""Which loops the daemon supervises: the fleet registry when there is one, else every local loop of the repo.

A registry that cannot be used changes nothing: the loops of the last good one stay, and the error is told. That goes
for one that is gone too: a slip must not end the supervision of a fleet without a word, and a reload is the word. One
whose review deadline has passed can be used for observation; that nothing autonomous may happen any more is told apart
(contract 60, weakness 5).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract.errors import OpsError, UsageError, file_trouble
from opsd.fleet.registry import LoopEntry, ParsedRegistry, load_registry
from opsd.fleet.registry_governance import governance_warnings
from opsd.runtime.discovery import list_loops
from opsd.storage.files import Signature, read_bytes, signature
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.layout import fleet_registry_file

MAX_REGISTRY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FleetView:
    """The enabled loops, where they came from, and whether they differ from the last view.

    ``registry`` is the whole registry in force, None without one. ``orphaned``: there is none, though a fleet was
    reconciled here, so one is probably missing.
    """

    entries: tuple[LoopEntry, ...]
    source: str
    changed: bool
    registry: ParsedRegistry | None = None
    orphaned: bool = False


class RegistrySource:
    """Reads the registry when its stat changed. Blocking file work."""

    def __init__(
        self, repo: str, registry_file: str | None, *, max_loops: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._repo = repo
        self._explicit = registry_file is not None
        self._path = registry_file or fleet_registry_file(repo)
        self._max_loops = max_loops
        self._clock = clock
        self._signature: Signature | None = None
        self._entries: tuple[LoopEntry, ...] | None = None
        self._registry: ParsedRegistry | None = None

    def read(self, *, force: bool = False) -> FleetView:
        """The loops to supervise now; ``force`` parses again what has not changed.

        Raises:
            UsageError: the registry cannot be read or used (its bullets), is missing although it was named or was in
                force, or is too large.
        """
        try:
            return self._read(force=force)
        except OSError as error:
            raise UsageError(file_trouble(error, "read")) from error

    def _read(self, *, force: bool) -> FleetView:
        found = signature(self._path)
        registry, orphaned = None, False
        if found is None:
            if self._explicit:
                raise UsageError(f"fleet registry file not found: {self._path}")
            if self._registry is not None:
                raise UsageError(f"fleet registry file is gone: {self._path}; SIGHUP takes that for your will")
            entries = tuple(LoopEntry(loop_id) for loop_id in list_loops(self._repo, reserved=True))
            source = f"{self._repo}/.superloop/loops"
            orphaned = signature(f"{os.path.dirname(self._path)}/{FleetDocument.STATE}") is not None
        elif found == self._signature and self._entries is not None and not force:
            return FleetView(self._entries, self._path, changed=False, registry=self._registry)
        else:
            registry, source = self._parse(), self._path
            entries = tuple(entry for entry in registry.loops if entry.enabled)
        if len(entries) > self._max_loops:
            raise UsageError(f"{source} names {len(entries)} loops; limits.max_loops is {self._max_loops}")
        changed = entries != self._entries
        self._entries, self._signature, self._registry = entries, found, registry
        return FleetView(entries, source, changed, registry, orphaned)

    def review_expired(self) -> bool:
        """The review deadline of the registry in force has passed: nothing autonomous may happen. Reads no file."""
        registry = self._registry
        return registry is not None and registry.expired(self._clock())

    def governance_warnings(self) -> list[str]:
        """What a person should look at in the policy's permission for autonomy. Reads no file."""
        return [] if self._registry is None else governance_warnings(self._registry.document, self._clock())

    def _parse(self) -> ParsedRegistry:
        data = read_bytes(self._path)
        if data is None:
            raise OpsError(f"fleet registry file not found: {self._path}")
        if len(data) > MAX_REGISTRY_BYTES:
            raise UsageError(f"{self._path} is larger than {MAX_REGISTRY_BYTES} bytes")
        return load_registry(data, source=self._path, now=self._clock(), expiry_is_fatal=False)

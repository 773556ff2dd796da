"""Which loops the daemon supervises: the fleet registry when there is one, else every local loop of the repo.

A registry that cannot be used changes nothing: the loops of the last good one stay, and the error is told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from opsd.contract.errors import OpsError, UsageError
from opsd.fleet.registry import LoopEntry, load_registry
from opsd.runtime.discovery import list_loops
from opsd.storage.files import Signature, read_bytes, signature
from opsd.storage.layout import fleet_registry_file

MAX_REGISTRY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FleetView:
    """The enabled loops, where they came from, and whether they differ from the last view."""

    entries: tuple[LoopEntry, ...]
    source: str
    changed: bool


class RegistrySource:
    """Reads the registry when its stat changed. Blocking file work."""

    def __init__(self, repo: str, registry_file: str | None, *, max_loops: int) -> None:
        self._repo = repo
        self._explicit = registry_file is not None
        self._path = registry_file or fleet_registry_file(repo)
        self._max_loops = max_loops
        self._signature: Signature | None = None
        self._entries: tuple[LoopEntry, ...] | None = None

    def read(self, *, force: bool = False) -> FleetView:
        """The loops to supervise now; ``force`` parses again what has not changed.

        Raises:
            UsageError: the registry cannot be used (its bullets), is missing although it was named, or is too large.
        """
        found = signature(self._path)
        if found is None:
            if self._explicit:
                raise UsageError(f"fleet registry file not found: {self._path}")
            entries = tuple(LoopEntry(loop_id) for loop_id in list_loops(self._repo, reserved=True))
            source = f"{self._repo}/.superloop/loops"
        elif found == self._signature and self._entries is not None and not force:
            return FleetView(self._entries, self._path, changed=False)
        else:
            entries, source = self._parse(), self._path
        if len(entries) > self._max_loops:
            raise UsageError(f"{source} names {len(entries)} loops; limits.max_loops is {self._max_loops}")
        changed = entries != self._entries
        self._entries, self._signature = entries, found
        return FleetView(entries, source, changed)

    def _parse(self) -> tuple[LoopEntry, ...]:
        data = read_bytes(self._path)
        if data is None:
            raise OpsError(f"fleet registry file not found: {self._path}")
        if len(data) > MAX_REGISTRY_BYTES:
            raise UsageError(f"{self._path} is larger than {MAX_REGISTRY_BYTES} bytes")
        registry = load_registry(data, source=self._path, now=time.time(), expiry_is_fatal=False)
        return tuple(entry for entry in registry.loops if entry.enabled)

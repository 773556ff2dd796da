"""Where a Horizon bridge keeps queue, state, telemetry and claims, and the lock around them (contract 97, 1; B5)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from opsd.contract.errors import LockTimeoutError, ManagerFileError, UsageError
from opsd.storage import files, locks
from opsd.storage.claims import ClaimsFolder
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
from opsd.storage.fleet_store import FileFleetStore

_FILES: dict[FleetPart, str] = {
    FleetDocument.BRIDGE_QUEUE: "queue",
    FleetDocument.BRIDGE_STATE: "state",
    FleetLog.BRIDGE: "telemetry",
}


class BridgeStore:
    """The files of one bridge.

    Args:
        repo: absolute path of the managed repo.
        outbox_dir, claims_dir, queue_file, state_file, telemetry_file: in place of the default when not empty;
            relative to the repo.

    Raises:
        UsageError: two of the files are one, or the bridge would take one of its own files out of the outbox.
    """

    def __init__(
        self,
        repo: str,
        *,
        outbox_dir: str = "",
        claims_dir: str = "",
        queue_file: str = "",
        state_file: str = "",
        telemetry_file: str = "",
    ) -> None:
        root = repo.rstrip("/")

        def place(given: str) -> str:
            return given if given.startswith("/") else f"{root}/{given}"

        given: dict[FleetPart, str] = dict(zip(_FILES, (queue_file, state_file, telemetry_file), strict=True))
        self.fleet = FileFleetStore(repo, {part: place(path) for part, path in given.items() if path})
        outbox = _folder(place(outbox_dir or ".superloop/horizons/outbox"))
        claims = _folder(place(claims_dir) if claims_dir else f"{self.fleet.folder}/horizon-bridge-claims")
        self.claims = ClaimsFolder(outbox, claims, ("processed", "rejected"))
        self._refuse_muddles()

    def prepare(self) -> None:
        """Create all folders.

        Raises:
            ManagerFileError: that is not possible, or something else stands in the place of a file.
        """
        self.claims.prepare()
        for part in _FILES:
            path = self.fleet.location(part)
            try:
                self.fleet.prepare(part)
            except OSError as error:
                raise ManagerFileError(f"cannot create the folder of {path}: {error.strerror}") from error
            if os.path.lexists(path) and not os.path.isfile(path):
                raise ManagerFileError(f"cannot use {path}: not a regular file")

    @contextmanager
    def lock(self, *, wait_s: float) -> Iterator[None]:
        """Nobody else works with these claims, this queue or this state meanwhile.

        Each has a lock of its own, so that bridges that share only some of them exclude each other too; all take
        them in the same order.

        Raises:
            LockTimeoutError: another bridge held one for ``wait_s`` seconds.
        """
        shared = [self.fleet.location(part) for part in (FleetDocument.BRIDGE_QUEUE, FleetDocument.BRIDGE_STATE)]
        paths = {os.path.realpath(f"{self.claims.claims}/.lock")}
        for path in shared:
            folder, name = os.path.split(path)
            paths.add(os.path.join(os.path.realpath(folder), f".{name}.lock"))
        end = time.monotonic() + wait_s
        with ExitStack() as held:
            for path in sorted(paths):
                try:
                    descriptor = locks.acquire(path, wait_s=max(0.0, end - time.monotonic()))
                except LockTimeoutError as error:
                    raise LockTimeoutError(
                        f"another bridge is at work and holds {path}; gave up after {wait_s:g} s"
                    ) from error
                held.callback(locks.release, descriptor)
            files.sweep(self.fleet.folder)  # the manager's own folder; where a flag leads is nobody's to tidy
            yield

    def _refuse_muddles(self) -> None:
        found: dict[str, str] = {}
        outbox = os.path.realpath(self.claims.outbox)
        for part, what in _FILES.items():
            path = os.path.realpath(self.fleet.location(part))
            other = found.setdefault(path, what)
            if other != what:
                raise UsageError(f"the {other} file and the {what} file must not be the same: {path}")
            if path.startswith(f"{outbox.rstrip('/')}/") and path.endswith(".jsonl"):
                raise UsageError(f"the {what} file must not lie in the outbox: {path}")


def _folder(path: str) -> str:
    return path.rstrip("/") or "/"

"""Carrying out drills and recording each as soon as it is over (contract 90, A3.5).

Guarantees: an evidence file that cannot be kept is found before anything is carried out; a drill that could not be
carried out to its end is recorded as failed, with the reason; one that was interrupted is not recorded at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opsd import __version__
from opsd.contract.errors import OpsError, file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.drill import kill_switch, retry_guard, sprite_outage
from opsd.drill.evidence import DrillResult, Observed, parse_evidence, with_result
from opsd.promotion.words import Drill
from opsd.runtime.process import run_program
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore

#: Another process that edits the evidence file is waited for so many seconds.
_LOCK_WAIT_S = 30.0
_GIT_S = 10.0

SANDBOX: Final = "sandbox"

#: Carries out a drill in a folder of its own.
Body = Callable[[Path], Iterable[Observed]]

#: In the order in which the gates judge them; the names are those of the command line.
DRILLS: Final[Mapping[str, tuple[Drill, Body]]] = {
    "kill-switch": (Drill.KILL_SWITCH, kill_switch.drill),
    "sprite-outage": (Drill.SPRITE_OUTAGE, sprite_outage.drill),
    "ambiguous-retry-guard": (Drill.RETRY_GUARD, retry_guard.drill),
}


@dataclass(frozen=True, slots=True)
class DrillRun:
    """What drills have in common.

    Attributes:
        store: of the repo that the evidence is recorded in.
        folder: where sandboxes go, one folder below it for each drill.
        keep: leave the sandboxes; otherwise that of a drill that held is removed.
        commit: of the manager, where it is known.
        fleet: what is drilled, ``sandbox`` or ``live``.
        tell: hears of each observation as it is made.
        requested_by, trace_id: who wants them, and in which run.
    """

    store: FleetStore
    folder: Path
    keep: bool
    commit: str | None
    fleet: str = SANDBOX
    tell: Callable[[Observed], None] = lambda _one: None
    clock: Callable[[], float] = time.time
    requested_by: str | None = None
    trace_id: str | None = None

    def check(self) -> None:
        """That evidence can be recorded.

        Raises:
            ManagerFileError: the evidence file is damaged, or its folder cannot be made.
        """
        self.store.prepare(FleetDocument.DRILLS)
        self._evidence()

    def carry_out(self, name: str, body: Body | None = None) -> DrillResult:
        """Carry out a drill and record it; ``body`` stands in for the sandbox drill of that name.

        Raises:
            OpsError: it could not be recorded.
        """
        drill, usual = DRILLS[name]
        sandbox = self.folder / name
        observed: list[Observed] = []
        started_at, error = self.clock(), ""
        try:
            for one in (body or usual)(sandbox):
                observed.append(one)
                self.tell(one)
        except OpsError as trouble:
            error = trouble.message
        except OSError as trouble:
            error = file_trouble(trouble)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, this drill did not hold
            error = f"internal error: {type(trouble).__name__}: {trouble}"
        except BaseException:  # interrupted: nothing is recorded, and nothing is left
            if not self.keep:
                shutil.rmtree(sandbox, ignore_errors=True)
            raise
        result = DrillResult(
            drill,
            started_at,
            self.clock(),
            observed,
            self.fleet,
            __version__,
            self.commit,
            error=error,
            requested_by=self.requested_by,
            trace_id=self.trace_id,
        )
        if sandbox.exists():
            if result.passed and not self.keep:
                shutil.rmtree(sandbox, ignore_errors=True)
            else:
                result = result.left_in(str(sandbox))
        self.record(result)
        return result

    def record(self, result: DrillResult) -> None:
        """Put the result into the evidence file, whatever else others record meanwhile.

        Raises:
            OpsError: the file is damaged, in use all the time, or cannot be written.
        """
        self.store.prepare(FleetDocument.DRILLS)
        with self.store.editing(FleetDocument.DRILLS, wait_s=_LOCK_WAIT_S):
            self.store.replace(FleetDocument.DRILLS, with_result(self._evidence(), result))

    def _evidence(self) -> JsonObject:
        return parse_evidence(self.store.read(FleetDocument.DRILLS), self.store.location(FleetDocument.DRILLS))


def known_commit(env: Mapping[str, str]) -> str | None:
    """The commit of this manager: what CI says, else that of the checkout that it runs from; None elsewhere."""
    if env.get("GITHUB_SHA"):
        return env["GITHUB_SHA"]
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    answer = run_program(["git", "-C", str(source), "rev-parse", "HEAD"], timeout_s=_GIT_S)
    found = answer.stdout.decode("ascii", "replace").strip()
    return found if answer.exit == 0 and found else None

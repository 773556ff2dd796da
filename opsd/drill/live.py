"""The kill-switch drill on a fleet in use: the one drill that may touch one, and only with an operator's confirmation.

Invariants:

1. Nothing of the registry is changed but ``policy.autonomous.safety.killSwitch``, and its former bytes are put back,
   also when the drill fails or is interrupted; unless somebody else has written the registry meanwhile, be it the same
   bytes, or the drill is killed: then the switch stays on. A drill never releases a brake that a person may have set.
2. While the switch is on, no autonomous dispatch starts, and the fleet's manager has evaluated its policy with it.

Services cannot be killed, and effects cannot be hidden, in a fleet that people rely on: the other two drills have a
sandbox only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, get
from opsd.drill.evidence import Observed
from opsd.fleet.handoff.attempts import rows_of
from opsd.fleet.handoff.words import ExecutionMode, ResultStatus
from opsd.fleet.policy.words import Mode
from opsd.storage.files import Signature
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

#: The manager is waited for so many seconds; it evaluates a changed registry in its next run.
PATIENCE_S = 300.0
#: How long the switch stays on once it was evaluated, in seconds: for a run that would dispatch in spite of it.
HOLD_S = 15.0
#: Between an attempt's row and what became of it there may be the dispatch itself, in seconds.
_SETTLE_S = 5.0
_LOCK_WAIT_S = 30.0
_LOOK_S = 0.2


def check(names: Sequence[str], store: FleetStore, *, confirmed: bool) -> None:
    """That these drills may be carried out on the fleet in use.

    Raises:
        UsageError: they may not; the message says what would be done.
    """
    if tuple(names) != ("kill-switch",):
        raise UsageError("only kill-switch can be drilled on a live fleet; the other drills have a sandbox")
    if not confirmed:
        raise UsageError(
            f"--fleet live sets policy.autonomous.safety.killSwitch in {store.location(FleetDocument.REGISTRY)}, "
            f"waits up to {PATIENCE_S:g} s for the fleet's manager to evaluate it, and puts the file back; "
            "no autonomous dispatch starts meanwhile; give --confirm to do that"
        )


@dataclass(frozen=True, slots=True)
class LiveKillSwitch:
    """The drill on the fleet of ``store``; times in seconds."""

    store: FleetStore
    patience_s: float = PATIENCE_S
    hold_s: float = HOLD_S

    def __call__(self, _folder: Path) -> list[Observed]:
        """Carry it out; the folder for a sandbox is left alone.

        Raises:
            OpsError: it could not be carried out.
        """
        with self.store.editing(FleetDocument.REGISTRY, wait_s=_LOCK_WAIT_S):
            before = self.store.read(FleetDocument.REGISTRY) or b""
            switched = switched_on(before, self.store.location(FleetDocument.REGISTRY))
            former = self._policy()
            self.store.replace_text(FleetDocument.REGISTRY, switched)
            written = self.store.signature(FleetDocument.REGISTRY)
        try:
            known = {row.get("attemptId") for row in self._rows()}
            evaluated = _until(lambda: self._evaluated(former), self.patience_s)
            if evaluated:
                _until(lambda: False, self.hold_s)
            begun = self._begun(known)
        finally:
            put_back = self._put_back(before, switched, written)
        return [
            Observed(
                "the fleet's manager evaluates its policy with the switch on",
                evaluated,
                {"evaluated": evaluated, "waitedAtMostSeconds": self.patience_s},
            ),
            Observed("no autonomous dispatch starts under the switch", not begun, {"dispatchesTo": begun}),
            put_back,
        ]

    def _put_back(self, before: bytes, switched: bytes, written: Signature | None) -> Observed:
        claim = "the registry is as it was before"
        try:
            with self.store.editing(FleetDocument.REGISTRY, wait_s=_LOCK_WAIT_S):
                ours = self.store.signature(FleetDocument.REGISTRY) == written
                if not ours or self.store.read(FleetDocument.REGISTRY) != switched:
                    return Observed(claim, False, "somebody else has written it meanwhile; it was left as it is now")
                self.store.replace_text(FleetDocument.REGISTRY, before)
        except OpsError as error:
            return Observed(claim, False, f"the switch is still on: {error.message}")
        return Observed(claim, True, "put back")

    def _policy(self) -> JsonObject | None:
        return jsoncodec.object_in(self.store.read(FleetDocument.POLICY))

    def _evaluated(self, former: JsonValue) -> bool:
        """By another evaluation than the one that stood before."""
        policy = self._policy()
        registry = get(policy, "evaluation", "inputs", "registry", "policy")
        is_on = get(registry, "autonomous", "safety", "killSwitch") is True
        return is_on and get(policy, "traceId") != get(former, "traceId")

    def _begun(self, known: set[object]) -> list[str]:
        """The loops of autonomous attempts since, but for those that were withheld."""

        def found() -> list[JsonObject]:
            rows = self._rows()
            withheld = {row.get("attemptId") for row in rows if row.get("status") == ResultStatus.WITHHELD}
            return [
                row
                for row in rows
                if row.get("mode") == ExecutionMode.AUTONOMOUS and row.get("attemptId") not in known | withheld
            ]

        _until(lambda: not found(), _SETTLE_S)  # one that was just noted is about to be withheld
        return sorted({str(row["loopId"]) for row in found() if "loopId" in row})

    def _rows(self) -> list[JsonObject]:
        return rows_of(self.store.read(FleetLog.HANDOFF_ATTEMPTS) or b"")


def switched_on(data: bytes, path: str) -> bytes:
    """The registry with the switch on.

    Raises:
        OpsError: it cannot be read, autonomy is off in it, or the switch is on already.
    """
    registry = jsoncodec.object_in(data)
    if registry is None:
        raise OpsError(f"there is no usable fleet registry: {path}")
    if get(registry, "policy", "mode") != Mode.GUARDED_AUTO:
        raise OpsError("the fleet's policy mode is not guarded_auto: there is nothing to switch off")
    if get(registry, "policy", "autonomous", "safety", "killSwitch") is True:
        raise OpsError("the kill switch is on already; a drill does not release it")
    policy = as_object(registry["policy"])
    autonomous = as_object(policy.get("autonomous"))
    safety: JsonObject = {**as_object(autonomous.get("safety")), "killSwitch": True}
    policy = {**policy, "autonomous": {**autonomous, "safety": safety}}
    return jsoncodec.dumps_pretty({**registry, "policy": policy}) + b"\n"


def _until(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True

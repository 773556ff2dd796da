"""The kill-switch drill on a fleet in use: the one drill that may touch one, and only with an operator's confirmation.

Invariants:

1. Nothing of the registry is changed but ``policy.autonomous.safety.killSwitch``, and that is put back as it was, also
   when the drill fails or is interrupted; unless somebody else has changed the registry meanwhile: then the switch
   stays on, and that is told. A drill never releases a brake that a person may have set.
2. While the switch is on, no autonomous dispatch starts, and the fleet's manager has evaluated its policy with it.

Services cannot be killed, and effects cannot be hidden, in a fleet that people rely on: the other two drills have a
sandbox only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import as_object, get
from opsd.drill.evidence import Observed
from opsd.fleet.handoff.attempts import rows_of
from opsd.fleet.handoff.words import ExecutionMode, ResultStatus
from opsd.storage.fleet_store import FleetDocument, FleetLog, FleetStore

#: The manager of the fleet is waited for so many seconds: its policy rests for the dedupe window when nothing changes,
#: but a changed registry is evaluated in its next run.
PATIENCE_S = 300.0
#: How long the switch stays on once it was evaluated, in seconds: for a run that would dispatch in spite of it.
_HOLD_S = 15.0
_LOCK_WAIT_S = 30.0
_LOOK_S = 0.5


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
            f"waits up to {PATIENCE_S:g} s for the fleet's manager to evaluate it, and puts it back; "
            "no autonomous dispatch starts meanwhile; give --confirm to do that"
        )


def kill_switch_drill(
    store: FleetStore, *, patience_s: float = PATIENCE_S, hold_s: float = _HOLD_S
) -> Callable[[Path], list[Observed]]:
    """The drill on the fleet of ``store``; it takes the folder of a sandbox and leaves it alone."""

    def drill(_folder: Path) -> list[Observed]:
        with store.editing(FleetDocument.REGISTRY, wait_s=_LOCK_WAIT_S):
            before = store.read(FleetDocument.REGISTRY)
            switched = _switched_on(before, store.location(FleetDocument.REGISTRY))
            attempts = len(_attempts(store))
            store.replace_text(FleetDocument.REGISTRY, switched)
        restored = False
        try:
            attempts_at_switch = len(_attempts(store))
            evaluated = _until(lambda: _evaluated(store), patience_s)
            _until(lambda: len(_attempts(store)) > attempts_at_switch, hold_s if evaluated else 0.0)
            begun = _attempts(store)[attempts:]
        finally:
            with store.editing(FleetDocument.REGISTRY, wait_s=_LOCK_WAIT_S):
                if store.read(FleetDocument.REGISTRY) == switched and before is not None:
                    store.replace_text(FleetDocument.REGISTRY, before)
                    restored = True
        return [
            Observed(
                "the fleet's manager evaluates its policy with the switch on",
                evaluated,
                "evaluated" if evaluated else f"no evaluation within {patience_s:g} s; is the manager running?",
            ),
            Observed(
                "no autonomous dispatch starts under the switch",
                not begun,
                f"dispatches: {[row.get('loopId') for row in begun]}",
            ),
            Observed(
                "the registry is as it was before",
                restored,
                "put back" if restored else "somebody else has changed it meanwhile; the switch was left as it is",
            ),
        ]

    return drill


def _switched_on(data: bytes | None, path: str) -> bytes:
    """The registry with the switch on.

    Raises:
        OpsError: there is none, it cannot be read, autonomy is off in it, or the switch is on already.
    """
    try:
        registry = None if data is None else jsoncodec.loads(data)
    except ValueError:
        registry = None
    if not isinstance(registry, dict):
        raise OpsError(f"there is no usable fleet registry: {path}")
    if get(registry, "policy", "mode") != "guarded_auto":
        raise OpsError("the fleet's policy mode is not guarded_auto: there is nothing to switch off")
    if get(registry, "policy", "autonomous", "safety", "killSwitch") is True:
        raise OpsError("the kill switch is on already; a drill does not release it")
    policy = as_object(registry["policy"])
    autonomous = as_object(policy.get("autonomous"))
    safety: JsonObject = {**as_object(autonomous.get("safety")), "killSwitch": True}
    policy = {**policy, "autonomous": {**autonomous, "safety": safety}}
    return jsoncodec.dumps_pretty({**registry, "policy": policy}) + b"\n"


def _evaluated(store: FleetStore) -> bool:
    try:
        policy = jsoncodec.loads(store.read(FleetDocument.POLICY) or b"null")
    except ValueError:
        return False
    return get(policy, "evaluation", "inputs", "registry", "policy", "autonomous", "safety", "killSwitch") is True


def _attempts(store: FleetStore) -> list[JsonObject]:
    """Autonomous attempts that were let through, or may have been."""
    rows = rows_of(store.read(FleetLog.HANDOFF_ATTEMPTS) or b"")
    withheld = {row.get("attemptId") for row in rows if row.get("status") == ResultStatus.WITHHELD}
    return [
        row
        for row in rows
        if "status" not in row and row.get("mode") == ExecutionMode.AUTONOMOUS and row.get("attemptId") not in withheld
    ]


def _until(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True

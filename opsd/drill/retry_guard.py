"""The retry-guard drill.

Invariants:

1. An autonomous dispatch whose effect is not seen ends ambiguous: nobody takes an answer for a success.
2. From then on autonomy leaves the intent alone, although the policy would let it go again: in every later run, and
   across a crash of the daemon.
3. It is not lost: it waits, with the reason, and is carried out when a person decides so.

A loop is in trouble, and its runtime answers and does nothing. Later the runtime is mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.drill.evidence import Observed
from opsd.drill.sandbox import Sandbox, reasons_of
from opsd.drill.sprite import Sprite
from opsd.fleet.handoff.words import Guard, HandoffReason, IntentStatus, ResultStatus
from opsd.storage.fleet_parts import FleetDocument

LOOP = "drill-a"


def drill(folder: Path) -> Iterator[Observed]:
    """Carry it out in ``folder``; what is observed, as it goes on.

    Raises:
        OpsError: it could not be carried out.
    """
    with Sandbox(folder, LOOP) as box:
        (sprite,) = box.sprites
        sprite.deaf(True)
        sprite.run("crashed")
        box.put_registry(box.registry(categories=["health_critical"], safety={"cooldownSeconds": 0}))
        box.start_daemon(confirm_s=1)
        box.wait("autonomy tried", lambda: bool(box.outcomes(LOOP)))
        outcomes = box.outcomes(LOOP)[:1]
        yield Observed(
            "a dispatch without a visible effect ends ambiguous",
            outcomes == [ResultStatus.AMBIGUOUS] and sprite.calls[:1] == ["cancel"],
            {"callsOfRuntime": sprite.calls[:1], "outcomes": outcomes},
        )
        box.let_run(4)
        yield _guarded(box, "autonomy leaves it alone in every later run")
        yield _waits(box)

        box.kill_daemon()
        box.start_daemon(confirm_s=1)
        box.let_run(4)
        yield _guarded(box, "autonomy leaves it alone after a crash of the manager")
        box.stop_daemon()
        yield _person(box, sprite)


def _guarded(box: Sandbox, claim: str) -> Observed:
    """Only one dispatch so far, and it was the guard that kept others from happening: the policy permits them."""
    permitted = get(box.candidates().get(LOOP), "autonomous", "eligible") is True
    outcomes = box.outcomes(LOOP)
    return Observed(
        claim,
        permitted and len(outcomes) == 1,
        {"dispatchesSoFar": outcomes, "policyPermitsAnother": permitted},
    )


def _waits(box: Sandbox) -> Observed:
    intent: JsonObject = box.intents().get(LOOP, {})
    codes = box.document(FleetDocument.HANDOFF).get("reasonCodes", [])
    held = (
        intent.get("status") == IntentStatus.PENDING
        and Guard.AMBIGUOUS in reasons_of(intent)
        and HandoffReason.RETRY_GUARDED in codes
    )
    return Observed(
        "it waits for a person, with the reason",
        held,
        {"status": intent.get("status"), "reasons": reasons_of(intent), "codes": codes},
    )


def _person(box: Sandbox, sprite: Sprite) -> Observed:
    sprite.deaf(False)
    # A new trace, or the service answers from its record of the first try.
    person = box.opsd(
        *("fleet", "handoff", "--repo", str(box.manager), "--execute", "--confirm", "--loop", LOOP),
        *("--by", "drill", "--trace-id", "drill-by-hand", "--timeout-seconds", "10", "--interval-seconds", "1"),
    )
    status = box.intents().get(LOOP, {}).get("status")
    return Observed(
        "a person carries it out",
        person.returncode == 0 and status == IntentStatus.EXECUTED and sprite.calls[-1:] == ["cancel"],
        {"exitCode": person.returncode, "status": status, "callsOfRuntime": sprite.calls},
    )

"""The kill-switch drill.

Invariants, in the order in which they are tried:

1. While the registry on disk shows the kill switch, no autonomous dispatch reaches a loop, and the policy says that
   it is the switch that holds it back.
2. Without the switch the same loops are acted on. So it was the switch that held autonomy back, and nothing else.
3. A switch that is thrown in the middle of a run stops that run's very next dispatch.
4. A switch stops autonomy and nothing else: the fleet is observed on, and a person can act.

Two loops are in trouble, and one run may act on both. The switch is on at first. It is lifted, and the first loop's
own runtime, called for the cancel, throws it again: between the two dispatches of one run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.drill.evidence import Observed
from opsd.drill.sandbox import Sandbox, reasons_of
from opsd.fleet.handoff.words import Brake, ResultStatus
from opsd.storage.fleet_parts import FleetDocument

FIRST, SECOND = "drill-a", "drill-b"
_NAMED = Brake.KILL_SWITCH.value


def drill(folder: Path) -> Iterator[Observed]:
    """Carry it out in ``folder``; what is observed, as it goes on.

    Raises:
        OpsError: it could not be carried out.
    """
    with Sandbox(folder, FIRST, SECOND) as box:
        first, second = box.sprites
        for sprite in box.sprites:
            sprite.run("crashed")
        on, off = _registry(box, on=True), _registry(box, on=False)
        box.put_registry(on)
        box.start_daemon()
        box.wait("both loops were candidates", lambda: len(box.candidates()) == len(box.sprites))
        box.let_run(3)
        yield _named(box)
        yield _untouched(box)

        thrown = folder / "registry-with-the-switch.json"
        thrown.write_bytes(jsoncodec.dumps(on) + b"\n")
        target = Path(box.store.location(FleetDocument.REGISTRY))
        first.before_call(f"mv {shlex.quote(str(thrown))} {shlex.quote(str(target))} 2>/dev/null || true")
        box.put_registry(off)
        box.wait("autonomy acted once the switch was lifted", lambda: bool(box.outcomes(FIRST)))
        # What comes behind it in the same run has ended when two more runs have.
        box.let_run(3)
        yield _acted(box)
        yield _stopped(box)
        yield _observed_on(box)
        person = box.opsd(
            *("fleet", "handoff", "--repo", str(box.manager), "--execute", "--confirm", "--loop", SECOND),
            *("--by", "drill", "--timeout-seconds", "10", "--interval-seconds", "1"),
        )
        yield Observed(
            "a person can still act",
            person.returncode == 0 and second.calls == ["cancel"],
            {"exitCode": person.returncode, "callsOfRuntime": second.calls},
        )


def _registry(box: Sandbox, *, on: bool) -> JsonObject:
    safety = {"killSwitch": on, "maxActionsPerRun": len(box.sprites), "cooldownSeconds": 0}
    return box.registry(categories=["health_critical"], safety=safety)


def _named(box: Sandbox) -> Observed:
    reasons = {loop_id: reasons_of(one) for loop_id, one in box.candidates().items()}
    held = len(reasons) == len(box.sprites) and all(_NAMED in found for found in reasons.values())
    return Observed("under the switch the policy holds every candidate back, and names the switch", held, reasons)


def _untouched(box: Sandbox) -> Observed:
    calls = [call for sprite in box.sprites for call in sprite.calls]
    dispatched = [row["loopId"] for row in box.attempts() if row.get("status") != ResultStatus.WITHHELD]
    return Observed(
        "under the switch no dispatch reaches a loop",
        not calls and not dispatched,
        {"runs": box.runs(), "callsOfRuntimes": calls, "dispatches": dispatched},
    )


def _acted(box: Sandbox) -> Observed:
    outcomes = box.outcomes(FIRST)
    return Observed(
        "without the switch autonomy acts",
        ResultStatus.EXECUTED in outcomes,
        {"loopId": FIRST, "outcomes": outcomes},
    )


def _stopped(box: Sandbox) -> Observed:
    withheld = [row for row in box.attempts() if row["loopId"] == SECOND and "status" in row]
    calls = box.sprites[1].calls
    return Observed(
        "thrown in the middle of a run, the switch stops the next dispatch, and those of later runs",
        not calls and [row.get("reasons") for row in withheld] == [[_NAMED]],
        {
            "loopId": SECOND,
            "callsOfRuntime": calls,
            "attempts": [{key: row[key] for key in ("status", "reasons") if key in row} for row in withheld],
        },
    )


def _observed_on(box: Sandbox) -> Observed:
    """New rollups are made although the switch is on."""
    before = box.document(FleetDocument.STATE).get("traceId")
    held = box.happens(lambda: box.document(FleetDocument.STATE).get("traceId") != before)
    return Observed("the fleet is observed on under the switch", held, {"newRollup": held})

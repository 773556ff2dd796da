"""The sprite-outage drill.

Invariants:

1. Loops whose sprite service is gone are told of as such, each by itself; none looks healthy on old knowledge.
2. Autonomy does not storm into an outage: once the least sample of dispatches has failed, the rollout pauses itself,
   and no further dispatch starts, whatever else is in trouble.
3. Nothing is lost by an outage: when the services are back, every event that was written meanwhile is taken in, once.

All services of a fleet are killed, and its registry lets autonomy act on unreachable loops. Every loop writes on while
its service is gone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.drill.evidence import Observed
from opsd.drill.sandbox import Sandbox, Sprite, reasons_of
from opsd.fleet.handoff.words import ResultStatus
from opsd.fleet.policy.words import Reason

#: More loops than the least sample: some are left to be spared.
LOOPS = ("drill-a", "drill-b", "drill-c", "drill-d", "drill-e")
_SAMPLE = 3
_CATEGORY = "reconcile_failed"


def drill(folder: Path) -> list[Observed]:
    """Carry it out in ``folder``; what was observed.

    Raises:
        OpsError: it could not be carried out.
    """
    with Sandbox(folder, *LOOPS) as box:
        for sprite in box.sprites:
            sprite.run("complete")
        box.put_registry(
            box.registry(
                categories=[_CATEGORY],
                # One dispatch per run, and a loop that was tried makes way for the next.
                safety={"maxActionsPerRun": 1, "cooldownSeconds": 3600},
                rollout={"autoPause": {"enabled": True, "minSampleSize": _SAMPLE}},
            )
        )
        box.start_daemon()
        box.wait("all loops were observed", lambda: all(_caught_up(box, sprite) for sprite in box.sprites))

        for sprite in box.sprites:
            sprite.fail()
        for sprite in box.sprites:
            sprite.run("complete")
        seen = box.happens(lambda: _unreachable(box) == list(LOOPS))
        told = Observed("every loop behind a lost service is told of", seen, f"unreachable: {_unreachable(box)}")
        if seen:
            box.happens(lambda: len(_failures(box)) >= _SAMPLE)
        box.let_run(4)
        paused, spared = _paused(box), _spared(box)

        for sprite in box.sprites:
            sprite.start()
        for sprite in box.sprites:
            sprite.listens()
        back = box.happens(lambda: all(_caught_up(box, sprite) for sprite in box.sprites))
        whole = Observed(
            "when the services are back, every loop is caught up with",
            back,
            str({sprite.loop_id: f"{_offset(box, sprite)} of {sprite.events} events" for sprite in box.sprites}),
        )
        return [told, paused, spared, whole, _once(box)]


def _unreachable(box: Sandbox) -> list[str]:
    return sorted(name for name, one in box.candidates().items() if one.get("category") == _CATEGORY)


def _failures(box: Sandbox) -> list[JsonObject]:
    return [row for row in box.attempts() if row.get("status") not in (None, ResultStatus.WITHHELD.value)]


def _paused(box: Sandbox) -> Observed:
    """The pause is in force for every candidate that is left, and its cause is the failures."""
    reasons = {name: reasons_of(one) for name, one in box.candidates().items()}
    wanted = {Reason.PAUSED_AUTO.value, Reason.FAILURE_SPIKE.value}
    held = bool(reasons) and all(wanted.intersection(found) for found in reasons.values())
    return Observed(
        "after the least sample of failures the rollout pauses itself",
        held,
        str(dict(Counter(reason for found in reasons.values() for reason in found))),
    )


def _spared(box: Sandbox) -> Observed:
    tried = [f"{row['loopId']} {row['status']}" for row in _failures(box)]
    return Observed(
        f"no more than {_SAMPLE} dispatches go into the outage",
        len(tried) <= _SAMPLE and all(row["status"] != ResultStatus.EXECUTED for row in _failures(box)),
        f"{len(tried)} dispatches: {tried}",
    )


def _caught_up(box: Sandbox, sprite: Sprite) -> bool:
    view = box.view(sprite.loop_id)
    return view.get("state") == "complete" and _offset(box, sprite) == sprite.events > 0


def _offset(box: Sandbox, sprite: Sprite) -> object:
    return get(box.view(sprite.loop_id), "cursor", "eventLineOffset")


def _once(box: Sandbox) -> Observed:
    """From the rows of all passes: the events that they took in add up to the journal."""
    taken = {sprite.loop_id: _taken_in(box, sprite.loop_id) for sprite in box.sprites}
    return Observed(
        "every event was taken in once",
        all(taken[sprite.loop_id] == sprite.events for sprite in box.sprites),
        str({sprite.loop_id: f"{taken[sprite.loop_id]} taken in, {sprite.events} written" for sprite in box.sprites}),
    )


def _taken_in(box: Sandbox, loop_id: str) -> int:
    path = box.manager / ".superloop" / "ops-manager" / loop_id / "telemetry" / "reconcile.jsonl"
    if not path.exists():
        return 0
    rows = [jsoncodec.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return sum(int(get(row, "eventsIngested") or 0) for row in rows)

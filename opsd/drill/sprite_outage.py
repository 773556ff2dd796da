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
from collections.abc import Iterator
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.ids import parse_loop_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get
from opsd.drill.evidence import Observed
from opsd.drill.sandbox import Sandbox, reasons_of
from opsd.drill.sprite import Sprite
from opsd.fleet.handoff.words import ResultStatus
from opsd.fleet.policy.words import Reason
from opsd.storage.model import RowLog
from opsd.storage.store import FileLoopStore

#: More loops than the least sample: some are left to be spared.
LOOPS = ("drill-a", "drill-b", "drill-c", "drill-d", "drill-e")
_SAMPLE = 3
_CATEGORY = "reconcile_failed"


def drill(folder: Path) -> Iterator[Observed]:
    """Carry it out in ``folder``; what is observed, as it goes on.

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
        yield Observed("every loop behind a lost service is told of", seen, {"unreachable": _unreachable(box)})
        if seen:
            box.happens(lambda: len(_failures(box)) >= _SAMPLE)
        box.let_run(4)
        yield _paused(box)
        yield _spared(box)

        for sprite in box.sprites:
            sprite.start()
        for sprite in box.sprites:
            sprite.listens()
        back = box.happens(lambda: all(_caught_up(box, sprite) for sprite in box.sprites))
        yield Observed(
            "when the services are back, every loop is caught up with",
            back,
            {one.loop_id: {"cursor": _offset(box, one), "written": one.events} for one in box.sprites},
        )
        yield _once(box)


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
        {"candidatesByReason": dict(Counter(reason for found in reasons.values() for reason in found))},
    )


def _spared(box: Sandbox) -> Observed:
    tried: list[JsonValue] = [{"loopId": row["loopId"], "status": row["status"]} for row in _failures(box)]
    return Observed(
        f"no more than {_SAMPLE} dispatches go into the outage",
        len(tried) <= _SAMPLE and all(row["status"] != ResultStatus.EXECUTED for row in _failures(box)),
        {"dispatches": tried},
    )


def _caught_up(box: Sandbox, sprite: Sprite) -> bool:
    view = box.view(sprite.loop_id)
    return view.get("state") == "complete" and _offset(box, sprite) == sprite.events > 0


def _offset(box: Sandbox, sprite: Sprite) -> JsonValue:
    return get(box.view(sprite.loop_id), "cursor", "eventLineOffset")


def _once(box: Sandbox) -> Observed:
    """From the rows of all passes: the events that they took in add up to the journal."""
    taken = {sprite.loop_id: _taken_in(box, sprite.loop_id) for sprite in box.sprites}
    return Observed(
        "every event was taken in once",
        all(taken[sprite.loop_id] == sprite.events for sprite in box.sprites),
        {one.loop_id: {"takenIn": taken[one.loop_id], "written": one.events} for one in box.sprites},
    )


def _taken_in(box: Sandbox, loop_id: str) -> int:
    path = Path(FileLoopStore(str(box.manager), parse_loop_id(loop_id)).location(RowLog.RECONCILE))
    if not path.exists():
        return 0
    rows = [jsoncodec.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return sum(int(get(row, "eventsIngested") or 0) for row in rows)

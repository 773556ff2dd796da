"""When a loop's alerts are worked on: what is known of them, and the decisions that follow. Pure.

Level-triggered like passes: whatever asks for a run only says that there may be something. A run reads everything
behind the stored offset, so that a request too many costs a look and one too few only waits for the next sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.storage.files import Signature
from opsd.supervisor.tasks.backoff import next_delay

#: A pass over a loop with open incidents may show a recovery; looks for that alone are at least this far apart.
LOOK_INTERVAL_S = 1.0
#: And this far, once nothing that could show one has changed for so long: a fleet that is ill for days costs little.
QUIET_LOOK_INTERVAL_S = 30.0
QUIET_AFTER_S = 60.0
#: How a loop stands is shown so often at most while a run is under way.
SHOW_INTERVAL_S = 1.0
#: A timer of a run wakes no sooner, so that nothing can make a run follow a run without a pause.
SHORTEST_PAUSE_S = 0.1
#: Another process works on the loop's alerts: asked again after so long.
BUSY_PAUSE_S = 0.5
_BACKOFF_BASE_S = 1.0
_BACKOFF_CAP_S = 300.0

#: Of the files that show that somebody else worked on a loop's alerts.
Files = tuple[Signature | None, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a loop's alerts stand behind a run; moments in seconds since 1970.

    ``files``: signatures of the loop's alert files as the run left them. ``wake_at``: when there is something to do
    although nothing new happens.
    """

    pending: int = 0
    oldest_pending_at: float | None = None
    incidents: int = 0
    dead_letters: int = 0
    wake_at: float | None = None
    files: Files = ()


@dataclass(slots=True)
class LoopAlerts:
    """What the worker knows of one loop; ``not_before``, ``looked_at`` and ``changed_at`` by the monotonic clock.

    ``evidence``: what the last pass said that could show a recovery; ``changed_at``: when it last said something else.
    """

    standing: Standing = Standing()
    failures: int = 0
    problem: str | None = None
    told: set[str] = field(default_factory=set)
    not_before: float = 0.0
    looked_at: float = float("-inf")
    evidence: object = None
    changed_at: float = float("-inf")

    def note(self, evidence: object, *, now: float) -> None:
        """Take in what a pass said."""
        if evidence != self.evidence:
            self.evidence, self.changed_at = evidence, now

    def view(self) -> JsonObject:
        """What the live API shows."""
        known = self.standing
        oldest = known.oldest_pending_at
        return {
            "pendingCount": known.pending,
            "oldestPendingAt": None if oldest is None else format_utc(oldest),
            "openIncidentCount": known.incidents,
            "deadLetterCount": known.dead_letters,
            "nextRunAt": None if known.wake_at is None else format_utc(known.wake_at),
            "lastProblem": self.problem,
        }


def due_after_pass(known: LoopAlerts, *, escalated: bool, now: float, under_way: bool = False) -> float | None:
    """When a pass asks for a run or for a step of the one that is ``under_way``, by the monotonic clock; None: it does
    not.
    """
    if escalated:
        return max(now, known.not_before)
    if known.standing.incidents or under_way:
        interval_s = LOOK_INTERVAL_S if now - known.changed_at < QUIET_AFTER_S else QUIET_LOOK_INTERVAL_S
        return max(now, known.not_before, known.looked_at + interval_s)
    return None


def due_after_run(standing: Standing, *, epoch: float, now: float) -> float | None:
    """When a run asks for the next one, by the monotonic clock; ``epoch`` is now in seconds since 1970."""
    return None if standing.wake_at is None else now + max(SHORTEST_PAUSE_S, standing.wake_at - epoch)


def due_after_failure(failures: int, *, now: float, rand: float) -> float:
    """When a loop whose run failed is tried again, by the monotonic clock."""
    return now + next_delay(failures, base_s=_BACKOFF_BASE_S, cap_s=_BACKOFF_CAP_S, jitter=0.2, rand=rand)


def left_by_others(standing: Standing, found: Files) -> bool:
    """Whether the loop's alert files are not as its last run left them; without a run: whether there are any."""
    return found != standing.files if standing.files else any(signature is not None for signature in found)


def is_unsettled(known: LoopAlerts) -> bool:
    """Whether a change of catalog, delivery file or silences may matter to the loop now."""
    return bool(known.standing.incidents or known.standing.pending or known.failures)

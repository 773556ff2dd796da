"""How much may be applied in a window of time (contract 95, 4.2 step 8; weaknesses 9, 10, 13, 14).

Invariant: whatever the history, no pass applies when the window holds ``max_applies`` applies, when its expand steps
and the new one together exceed ``max_expand_step``, or when the last mutation is younger than the cooldown. A row that
cannot be understood stops the pass: what it hides may be an apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import first_present, uniq
from opsd.promotion.controller.words import Action, Reason

#: So much of a log's end is always read and checked, whatever the order of its rows.
_ALWAYS_READ = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a fleet's rollout."""

    window_hours: int = 24
    max_applies: int = 1
    max_expand_step: int = 25
    cooldown_minutes: int = 60

    def since(self, now: int) -> int:
        """The moment from which on history matters."""
        return now - max(self.window_hours * 3600, self.cooldown_minutes * 60)


@dataclass(frozen=True, slots=True)
class Usage:
    """What earlier runs have used: in the window, and when the registry was last changed (seconds since 1970)."""

    applies: int = 0
    expand_step: int | float = 0
    rollbacks: int = 0
    last_mutation: int | None = None


def history(lines: Iterable[bytes], *, since: int, path: str) -> Iterator[JsonObject]:
    """The rows of the log at ``path`` that may matter, from its lines, newest first.

    Raises:
        ManagerFileError: a line that is no row, or a row whose part that counts has the wrong form.
    """
    size = 0
    for line in lines:
        size += len(line) + 1
        try:
            row = jsoncodec.loads(line)
        except ValueError:
            row = ()
        if row is None:
            continue
        if not _is_row(row):
            raise ManagerFileError(f"invalid controller telemetry JSONL: {path}")
        yield row
        moment = parse_epoch(row.get("timestamp"))
        if size > _ALWAYS_READ and moment is not None and moment < since:
            return


def _is_row(row: object) -> bool:
    execution = first_present(row.get("execution"), {}) if isinstance(row, dict) else None
    if not isinstance(execution, dict):
        return False
    step = first_present(execution.get("expandStep"), 0)
    return isinstance(step, (int, float)) and not isinstance(step, bool)


def usage(rows: Iterable[JsonObject], budget: Budget, now: int) -> Usage:
    """What ``rows`` have used at ``now``; rows without a usable timestamp count for nothing."""
    used = Usage()
    begin = now - budget.window_hours * 3600
    for row in rows:
        moment = parse_epoch(row.get("timestamp"))
        execution = first_present(row.get("execution"), {})
        action = execution.get("action")
        if moment is None or action not in (Action.APPLY, Action.ROLLBACK):
            continue
        used = replace(used, last_mutation=moment if used.last_mutation is None else max(used.last_mutation, moment))
        if moment < begin:
            continue
        if action == Action.ROLLBACK:
            used = replace(used, rollbacks=used.rollbacks + 1)
        else:
            step = first_present(execution.get("expandStep"), None) or 0
            used = replace(used, applies=used.applies + 1, expand_step=used.expand_step + step)
    return used


def judged(budget: Budget, used: Usage, frozen: list[JsonObject], *, expand_step: int | None, now: int) -> JsonObject:
    """The verdict as the record holds it; ``expand_step`` is None for a run that does not expand.

    ``rolledBackCountInWindow`` stands beside the contract's fields: those runs count in no limit, and a rollout that
    keeps failing its verification shows there.
    """
    cooldown_s = budget.cooldown_minutes * 60
    since_last = None if used.last_mutation is None else now - used.last_mutation
    cooling = since_last is not None and since_last < cooldown_s
    reasons: list[str] = []
    if used.applies >= budget.max_applies:
        reasons.append(Reason.APPLY_COUNT)
    if expand_step is not None and used.expand_step + expand_step > budget.max_expand_step:
        reasons.append(Reason.EXPAND_STEP)
    if cooling:
        reasons.append(Reason.COOLDOWN)
    if frozen:
        reasons.append(Reason.FREEZE)
    return {
        "windowHours": budget.window_hours,
        "maxAppliesPerWindow": budget.max_applies,
        "maxExpandStepPerWindow": budget.max_expand_step,
        "cooldownMinutes": budget.cooldown_minutes,
        "applyCountInWindow": used.applies,
        "expandStepInWindow": used.expand_step,
        "cooldownRemainingSeconds": cooldown_s - since_last if cooling and since_last is not None else 0,
        "freezeWindowActive": bool(frozen),
        "freezeWindowsMatched": frozen,
        "reasons": uniq(reasons),
        "rolledBackCountInWindow": used.rollbacks,
    }

"""Whether the rollout is paused, by hand or because autonomous executions went badly (contract 70, 8).

Everything is computed in both modes. A pause ends by itself once the bad executions have left the window, also when
what pushed them out attempted nothing; :mod:`.advice` warns when that happens (weakness 9), and
``skip_empty`` keeps such executions out of the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import as_object, first_present, integral
from opsd.fleet.policy.controls import AutoPauseControls, Controls
from opsd.fleet.policy.words import Reason


class Execution(NamedTuple):
    """One autonomous handoff execution; ``timestamp`` is text to sort by.

    ``countable`` is false where a count was no number: harmless outside the window, refused inside it.
    """

    timestamp: str
    attempted: int | float
    executed: int | float
    ambiguous: int | float
    failed: int | float
    countable: bool = True


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sums over the window; rates are fractions of what was attempted, 0 where nothing was."""

    executions: int = 0
    attempted: int | float = 0
    executed: int | float = 0
    ambiguous: int | float = 0
    failed: int | float = 0

    def rate(self, count: int | float) -> int | float:
        """``count`` as an unrounded fraction of what was attempted; may exceed 1."""
        if self.attempted <= 0:
            return 0
        return integral(count / self.attempted)

    def document(self) -> JsonObject:
        """The ``metrics`` object."""
        return {
            "windowExecutionCount": self.executions,
            "attemptedCount": self.attempted,
            "executedCount": self.executed,
            "ambiguousCount": self.ambiguous,
            "failedCount": self.failed,
            "ambiguityRate": self.rate(self.ambiguous),
            "failureRate": self.rate(self.failed),
        }


@dataclass(frozen=True, slots=True)
class Pause:
    """Why the rollout is paused; empty reasons: it is not."""

    manual: bool
    auto_reasons: tuple[Reason, ...]
    controls: AutoPauseControls
    metrics: Metrics

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Sorted: paused by hand, paused automatically."""
        found = [Reason.PAUSED_MANUAL] if self.manual else []
        found += [Reason.PAUSED_AUTO] if self.auto_reasons else []
        return tuple(sorted(found))

    def document(self) -> JsonObject:
        """The ``pause`` object of a candidate and of the state."""
        controls = self.controls
        return {
            "active": bool(self.reasons),
            "reasons": list(self.reasons),
            "manual": self.manual,
            "auto": {
                "enabled": controls.enabled,
                "active": bool(self.auto_reasons),
                "reasons": list(self.auto_reasons),
                "lookbackExecutions": controls.lookback_executions,
                "minSampleSize": controls.min_sample_size,
                "ambiguityRateThreshold": controls.ambiguity_rate_threshold,
                "failureRateThreshold": controls.failure_rate_threshold,
                "metrics": self.metrics.document(),
            },
        }


def execution_of(row: JsonObject) -> Execution | None:
    """The autonomous execution that a row of handoff telemetry records; None for any other row.

    Raises:
        ValueError: its ``execution`` is no object.
    """
    if row.get("category") != "fleet_handoff_execute":
        return None
    execution = row.get("execution")
    if execution is not None and not isinstance(execution, dict):
        raise ValueError("execution is not an object")
    fields = as_object(execution)
    if fields.get("mode") != "autonomous":
        return None
    timestamp = row.get("timestamp")
    counts = [
        first_present(fields.get("executedIntentCount"), fields.get("requestedIntentCount"), 0),
        *(first_present(fields.get(name), 0) for name in ("executedCount", "ambiguousCount", "failedCount")),
    ]
    when = timestamp if isinstance(timestamp, str) else ""
    if not all(isinstance(count, (int, float)) and not isinstance(count, bool) for count in counts):
        return Execution(when, 0, 0, 0, 0, countable=False)
    attempted, executed, ambiguous, failed = map(integral, counts)
    return Execution(when, attempted, executed, ambiguous, failed)


def window(executions: Iterable[Execution], lookback: int, *, skip_empty: bool) -> tuple[Execution, ...]:
    """The newest ``lookback`` executions, oldest first; rows of one second stay in the order they were written.

    Raises:
        ValueError: one of them has a count that is no number.
    """
    kept = [one for one in executions if one.attempted > 0 or not one.countable or not skip_empty]
    kept.sort(key=lambda one: one.timestamp)
    found = tuple(kept[-lookback:]) if lookback > 0 else ()
    if not all(one.countable for one in found):
        raise ValueError("a count is not a number")
    return found


def judge_pause(controls: Controls, executions: Sequence[Execution]) -> Pause:
    """The pause that follows from the executions of one window."""
    rules = controls.auto_pause
    metrics = Metrics(
        len(executions),
        sum(one.attempted for one in executions),
        sum(one.executed for one in executions),
        sum(one.ambiguous for one in executions),
        sum(one.failed for one in executions),
    )
    reasons: list[Reason] = []
    if rules.enabled and metrics.attempted >= rules.min_sample_size:
        if metrics.rate(metrics.ambiguous) >= rules.ambiguity_rate_threshold:
            reasons.append(Reason.AMBIGUOUS_SPIKE)
        if metrics.rate(metrics.failed) >= rules.failure_rate_threshold:
            reasons.append(Reason.FAILURE_SPIKE)
    return Pause(controls.paused_manually, tuple(reasons), rules, metrics)


def nothing_observed(controls: Controls) -> JsonObject:
    """The state's ``pause`` object where there is no candidate: the wire hides a real pause then (10.1)."""
    hidden = Pause(False, (), controls.auto_pause, Metrics()).document()
    return {**hidden, "manual": controls.paused_manually}

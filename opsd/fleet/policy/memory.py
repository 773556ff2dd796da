"""What is kept of the history and of handoff telemetry: folds over their rows, read only as far as new (contract 70,
5, 8, 9; weaknesses 2 and 3).

Of the history, however long, two moments per candidate can matter: when it was last shown and when it was last
eligible. Of handoff telemetry, only the newest autonomous executions. A daemon keeps one :class:`PolicyMemory` and pays
for new rows; a one-shot command reads each file once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.fleet.policy.autopause import Execution, execution_of
from opsd.fleet.policy.inputs import Seen
from opsd.storage.fleet_parts import FleetLog
from opsd.storage.fleet_port import FleetStore

#: More executions than any registry looks back at; a longer look back reads the file once more.
_KEPT_EXECUTIONS = 1000


class Moment(NamedTuple):
    """What a row of the history tells of its candidate: that it was shown, eligible or both, and when."""

    name: str
    moment: int
    shown: bool
    eligible: bool


def moments_of(row: JsonObject, epoch: Callable[[JsonValue], int | None] = parse_epoch) -> Moment | None:
    """What a row tells; None for one that tells nothing, as one without a usable timestamp or candidate."""
    suppressed = row.get("suppressed")
    shown = suppressed is None or suppressed is False
    eligible = row.get("autonomousEligible") is True
    name = row.get("candidateId")
    if not (shown or eligible) or type(name) is not str:
        return None
    moment = epoch(row.get("timestamp"))
    return None if moment is None else Moment(name, moment, shown, eligible)


class HistoryFold:
    """``seen``: the two moments of every candidate that the history knows."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._eligible: dict[str, int] = {}
        self._last_text = ""
        self._last_epoch: int | None = None

    def reset(self) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        self._shown.clear()
        self._eligible.clear()

    def add(self, row: JsonObject) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        found = moments_of(row, self._epoch)
        if found is None:
            return
        if found.shown and found.moment > self._shown.get(found.name, -1):
            self._shown[found.name] = found.moment
        if found.eligible and found.moment > self._eligible.get(found.name, -1):
            self._eligible[found.name] = found.moment

    def seen(self, name: str) -> Seen:
        """The moments of one candidate."""
        return Seen(self._shown.get(name), self._eligible.get(name))

    def _epoch(self, text: JsonValue) -> int | None:
        # The rows of one run carry one timestamp.
        if text != self._last_text or type(text) is not str:
            self._last_epoch = parse_epoch(text)
            self._last_text = text if type(text) is str else ""
        return self._last_epoch


class ExecutionFold:
    """``executions``: the newest autonomous executions, at least ``limit`` of those that count."""

    def __init__(self, limit: int, *, skip_empty: bool) -> None:
        self.limit = max(limit, _KEPT_EXECUTIONS)
        self.skip_empty = skip_empty
        self.executions: list[Execution] = []

    def reset(self) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        self.executions.clear()

    def add(self, row: JsonObject) -> None:
        """See :class:`opsd.storage.follow.Fold`."""
        found = execution_of(row)
        if found is None or (self.skip_empty and found.countable and found.attempted <= 0):
            return
        self.executions.append(found)
        if len(self.executions) >= 2 * self.limit:
            self.executions.sort(key=lambda one: one.timestamp)
            del self.executions[: -self.limit]


class PolicyMemory:
    """Both folds, kept up to date with a store. Not for several threads at a time."""

    def __init__(self, store: FleetStore) -> None:
        self._store = store
        self.history = HistoryFold()
        self._history_log = store.follower(FleetLog.POLICY_HISTORY, self.history, what="policy history")
        self._take_executions(0, skip_empty=False)

    def catch_up_history(self) -> None:
        """Read what is new in the history.

        Raises:
            ManagerFileError: ``invalid policy history JSONL: <path>``.
        """
        self._history_log.catch_up()

    def catch_up_executions(self, lookback: int, *, skip_empty: bool) -> list[Execution]:
        """The executions among which are the newest ``lookback`` that count.

        Raises:
            ManagerFileError: ``invalid handoff telemetry JSONL: <path>``.
        """
        if lookback > self._executions.limit or skip_empty != self._executions.skip_empty:
            self._take_executions(lookback, skip_empty=skip_empty)
        self._handoff_log.catch_up()
        return self._executions.executions

    def _take_executions(self, lookback: int, *, skip_empty: bool) -> None:
        self._executions = ExecutionFold(lookback, skip_empty=skip_empty)
        self._handoff_log = self._store.follower(FleetLog.HANDOFF, self._executions, what="handoff telemetry")

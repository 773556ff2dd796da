"""How all targets of a repo stand, shared by the processes that send to them (contract 50, R9 and R10).

``alert-sink-health.json`` is read, decided upon and written under its lock for every request, so that two processes
never admit more than one would. It is not synced: what a power loss takes back is a few seconds of counting. A damaged
file is begun anew, and while it cannot be used each process decides by what it knows itself: an alert is never kept
back because its book-keeping failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from opsd.alerts.model import AttemptResult, RateRules
from opsd.alerts.targets import target_state
from opsd.alerts.targets.target_codec import from_json, to_json
from opsd.alerts.targets.target_state import Admission, Target, TargetState
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, get
from opsd.storage.shared_document import Shared

#: A target that nothing was sent to for so long is forgotten, and of too many the oldest.
_FORGET_AFTER_S = 30 * 86400.0
_MAX_TARGETS = 256

_Change = Callable[[TargetState], tuple[TargetState, Admission]]


class SinkHealth:
    """Asked before every request, told after it. Blocking, for about a millisecond; times are seconds since
    1970. ``problem``: why the shared file could not be used at the last decision; None when it could.

    Args:
        lock_wait_s: a change takes about a millisecond; whoever holds the lock for so long is stopped, or hangs on a
            disk, and is not waited for.
    """

    def __init__(self, document: Shared, *, lock_wait_s: float = 1.0) -> None:
        self._document = document
        self._lock_wait_s = lock_wait_s
        self._turn = threading.Lock()
        self._own: dict[str, TargetState] = {}
        self.problem: str | None = None

    def admit(self, target: Target, rate: RateRules, now: float, *, lease_s: float) -> Admission:
        """Whether a request may go now; see :func:`opsd.alerts.targets.target_state.admit`."""
        return self._change(target, now, lambda state: target_state.admit(state, target, rate, now, lease_s=lease_s))

    def record(self, target: Target, result: AttemptResult, now: float, *, probe: bool = False) -> None:
        """What came of an admitted request; see :func:`opsd.alerts.targets.target_state.record`."""
        self._change(
            target,
            now,
            lambda state: (target_state.record(state, target, result, now, probe=probe), Admission(True)),
        )

    def views(self, now: float) -> list[JsonObject]:
        """``alerts.sinks[]`` of every sink that something was sent to, by sink id."""
        return sink_views(self._document.read(), now)

    def _change(self, target: Target, now: float, change: _Change) -> Admission:
        def shared(data: bytes | None) -> tuple[JsonObject | None, Admission]:
            targets = _targets(data)
            before = targets.get(target.key, TargetState())
            after, answer = change(before)
            self._own[target.key] = after
            if after == before:
                return None, answer
            targets[target.key] = after
            return _document(targets, target, now), answer

        try:
            with self._turn:  # threads of one process need not poll for each other's lock
                answer = self._document.update(shared, wait_s=self._lock_wait_s)
            self.problem = None
        except OSError as error:
            self.problem = f"cannot use {self._document.location}: {error.strerror}"
        except OpsError as error:
            self.problem = error.message
        else:
            return answer
        self._own[target.key], answer = change(self._own.get(target.key, TargetState()))
        return answer


def sink_views(data: bytes | None, now: float) -> list[JsonObject]:
    """:meth:`SinkHealth.views` of the document's bytes, for whoever only looks. A sink whose secret changed is shown
    with the target that it used last.
    """
    shown: dict[str, TargetState] = {}
    for state in sorted(_targets(data).values(), key=lambda state: state.used_at):
        shown |= dict.fromkeys((sink_id for sink_id, _ in state.digests), state)
    return [target_state.view(shown[sink_id], sink_id, now) for sink_id in sorted(shown)]


def _targets(data: bytes | None) -> dict[str, TargetState]:
    found = as_object(get(jsoncodec.object_in(data), "targets"))
    return {key: from_json(value) for key, value in found.items() if isinstance(value, dict)}


def _document(targets: dict[str, TargetState], used: Target, now: float) -> JsonObject:
    fresh = [(key, state) for key, state in targets.items() if key == used.key or now - state.used_at < _FORGET_AFTER_S]
    fresh.sort(key=lambda item: (item[0] != used.key, -item[1].used_at))
    kept = dict(sorted(fresh[:_MAX_TARGETS]))
    return {
        "schemaVersion": "v1",
        "updatedAt": format_utc(now),
        "targets": {key: to_json(state) for key, state in kept.items()},
    }

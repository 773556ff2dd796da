"""Gate: only ``guarded_auto`` lets the manager act by itself."""

from __future__ import annotations

from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Mode, Reason


def _judge(subject: Subject) -> Verdict:
    mode = subject.controls.mode
    return verdict(mode is Mode.GUARDED_AUTO, Reason.MODE, mode=mode)


GATE = Gate("mode", "modeGuardedAuto", _judge)

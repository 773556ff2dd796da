"""Gate: the rollout has not paused itself, and every path that holds actions back is accounted for (90, A3.4)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import absent, as_object, get
from opsd.promotion.gates.base import Finding, Gate, Verdict
from opsd.promotion.inputs import GateInputs
from opsd.promotion.words import Reason

_PATHS = ("policyGated", "rolloutGated", "governanceGated", "transportGated")


def _judge(inputs: GateInputs) -> Verdict:
    autonomous = as_object(get(inputs.status, "autonomous"))
    by_path = get(autonomous, "safetyGateDecisions", "byPath")
    shown: JsonObject | None = by_path if isinstance(by_path, dict) else None
    missing = [path for path in _PATHS if shown is None or path not in shown]
    paused, doubtful = _autopause(autonomous)
    findings = []
    if paused or doubtful:
        findings.append(Finding(Reason.AUTOPAUSE_ACTIVE, unknown=not paused))
    if missing:
        findings.append(Finding(Reason.PATHS_MISSING, unknown=True))
    return Verdict(findings, {"autopauseActive": paused or doubtful, "missingPaths": missing, "byPath": shown})


def _autopause(autonomous: JsonValue) -> tuple[bool, bool]:
    """Whether a field says that the rollout has paused itself, and whether one cannot be read.

    What is absent says no, as the contract has it. What is there and is neither true nor false, or lies in something
    that is no object, does not: a pause that cannot be ruled out counts.
    """
    states = [
        _flag(autonomous, "rollout", "autopause", "active"),
        _flag(autonomous, "rollout", "state", "autoPauseActive"),
    ]
    return True in states, None in states


def _flag(container: JsonValue, *keys: str) -> bool | None:
    """The boolean at a path, False where nothing is; None where there is something else."""
    for key in keys:
        if absent(container):
            return False
        if not isinstance(container, dict):
            return None
        container = container.get(key)
    return False if absent(container) else True if container is True else None


GATE = Gate("safety_suppression", "safetySuppression", _judge)

"""What is told of the fleet's runs: one line per thing that happened, none for what stands as it stood.

The same candidates are shown at every evaluation for as long as their loops are in trouble; a large fleet would fill
its log with what is known. Metrics and documents say how things stand; this says what is new.
"""

from __future__ import annotations

import structlog

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.supervisor.fleet.cycle import CycleRun


class FleetNews:
    """Tells what is new in one run after another; remembers what the last evaluation said, and nothing older."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("opsd.fleet")
        self._problem: str | None = None
        self._candidates: dict[str, bytes] = {}
        self._warnings: frozenset[bytes] = frozenset()

    def tell(self, run: CycleRun) -> None:
        """Log a run that has ended."""
        log = self._log.bind(trace=run.trace_id)
        problem = None if run.failure is None else run.failure[1]
        if run.failure is not None and problem != self._problem:
            log.error("fleet_run.failed", step=run.failure[0].value, message=problem)
        self._problem = problem
        if run.policy is not None:
            self._tell_policy(log, run, run.policy)
        if run.execution is not None:
            _tell_execution(log, run.execution)

    def _tell_policy(self, log: structlog.BoundLogger, run: CycleRun, policy: JsonObject) -> None:
        log.info(
            "policy.evaluated",
            due=run.due,
            candidates=policy["candidateCount"],
            shown=policy["unsuppressedCount"],
            eligible=policy["autoEligibleCount"],
            reasons=[str(code) for code in policy["reasonCodes"]],
        )
        warnings = {jsoncodec.dumps(warning): warning for warning in policy["warnings"]}
        for text, warning in warnings.items():
            if text not in self._warnings:
                facts = {key: value for key, value in warning.items() if key != "message"}
                log.warning("policy.warning", **{**facts, "code": str(warning["code"])}, message=warning["message"])
        self._warnings = frozenset(warnings)
        candidates = {}
        for candidate in policy["candidates"]:
            name = str(candidate["candidateId"])
            if candidate.get("suppressed") is True:  # what was told of it still stands, if it ever did
                if name in self._candidates:
                    candidates[name] = self._candidates[name]
                continue
            said = {
                "eligible": get(candidate, "autonomous", "eligible"),
                "reasons": [str(reason) for reason in get(candidate, "autonomous", "reasons") or ()],
            }
            candidates[name] = jsoncodec.dumps(said)
            if said["eligible"] is True or self._candidates.get(name) != candidates[name]:
                log.info("policy.candidate", candidate=name, **said)
        self._candidates = candidates


def _tell_execution(log: structlog.BoundLogger, execution: JsonObject) -> None:
    for result in execution["results"]:
        tell = log.warning if result["status"] == "executed" else log.error
        tell(
            "autonomy.dispatched",
            loop=result["loopId"],
            intent=result["intentId"],
            status=result["status"],
            reason=result["reasonCode"],
            message=result.get("controlMessage"),
        )
    for one in execution.get("withheld", ()):
        log.warning("autonomy.withheld", loop=one["loopId"], intent=one["intentId"], reasons=one["reasons"])

"""One simulated run: the order of events and writes of contract 05, sections 4 and 6."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from opsd.contract.errors import OpsError
from opsd.simulate.files import RunFiles, read_object, stamp

ROLES = ("planner", "implementer", "tester", "reviewer")
_GATES = ("tests", "validation", "prerequisites", "checklist", "evidence", "lifecycle")


class Ending(StrEnum):
    """How a run ends."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    AGENT_FAILED = "agent-failed"
    CRASHED = "crashed"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. Durations in seconds.

    ``approval`` asks for one at the end; ``torn`` writes lines in two pieces; ``ending`` happens in the last iteration.
    """

    iterations: int = 3
    iteration_s: float = 10.0
    ending: Ending = Ending.COMPLETE
    approval: bool = False
    torn: bool = False


class _Terminated(Exception):
    """SIGTERM or SIGHUP."""


@dataclass(slots=True)
class SimulatedRun:
    """Plays one run in this process; the exit code of a real one comes back from :meth:`play`."""

    repo: Path
    loop_id: str
    plan: Plan
    pause: Callable[[float], None] = time.sleep
    files: RunFiles = field(init=False)
    run_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.files = RunFiles(self.repo, self.loop_id, pause=self.pause, torn=self.plan.torn)
        self.run_id = stamp()

    def play(self) -> int:
        """Run to the end.

        Raises:
            OpsError: the loop is running already.
        """
        files = self.files
        if read_object(files.state).get("active") is True:
            raise OpsError(f"loop '{self.loop_id}' is already running (reentrant run blocked)")
        files.folder.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
        try:
            files.write_active_run("run_start")
            files.write_active_run("loop_start")
            self._event("loop_start", 1, {"spec_file": ".superloop/specs/feature.md", "max_iterations": 20})
            decided = self._decision()
            return self._iterate() if decided is None else decided
        except _Terminated:
            return 143  # no event; state.json stays active
        finally:
            files.active_run.unlink(missing_ok=True)

    def _event(self, name: str, iteration: int, data: dict[str, Any], **more: Any) -> None:
        self.files.event(name, more.pop("run_id", self.run_id), iteration, data, **more)

    def _decision(self) -> int | None:
        """What an approval that is there makes of this run; None: go on with iterations."""
        files = self.files
        if not files.approval.exists():
            return None
        approval = read_object(files.approval)
        relative = f".superloop/loops/{self.loop_id}/approval.json"
        status = approval.get("status", "pending")
        if status == "pending":
            self._event("approval_wait", 1, {"status": "pending", "approval_file": relative})
            files.write_state(active=False, iteration=1)
            return 0
        if status == "rejected":
            self._event("approval_rejected", 1, {"status": "rejected", "approval_file": relative})
            files.approval.unlink()
            return None
        run_id, iteration = str(approval.get("run_id")), int(approval.get("iteration", 1))
        decision = approval.get("decision", {})
        consumed = {"status": "approved", **{key: decision.get(key) for key in ("by", "note", "at")}}
        self._event("approval_consumed", iteration, consumed, run_id=run_id)
        files.add_summary(self._entry(iteration, completed=True, approval="approved", run_id=run_id))
        completed = {"iteration": iteration, "run_id": run_id, "approval": True}
        self._event("loop_complete", iteration, completed, run_id=run_id)
        files.approval.unlink()
        files.write_state(active=False, iteration=1)
        return 0

    def _iterate(self) -> int:
        plan, files = self.plan, self.files
        for number in range(1, plan.iterations + 1):
            files.write_state(active=True, iteration=number)
            self._event("iteration_start", number, {"started_at": stamp()})
            last = number == plan.iterations
            for role in ROLES:
                code = self._role(role, number, last)
                if code is not None:
                    return code
            self._gates(number, last)
            if not last:
                files.add_summary(self._entry(number, completed=False, approval="skipped"))
        return self._end()

    def _role(self, role: str, iteration: int, last: bool) -> int | None:
        """One role; the exit code when the run ends in it."""
        ending = self.plan.ending
        self._event("role_start", iteration, {"log_file": f"{self.files.folder}/logs/{role}.log"}, role=role)
        self.pause(self.plan.iteration_s / len(ROLES))
        if last and role == "implementer":
            if ending is Ending.TIMEOUT:
                data = {"role": role, "timeout_seconds": 900}
                self._event("role_timeout", iteration, data, role=role, status="timeout")
                self.files.write_state(active=False, iteration=iteration)
                return 1
            if ending is Ending.AGENT_FAILED:
                return 1  # nothing more is written: state.json stays active
            if ending is Ending.CRASHED:
                self.files.tear()
                os.kill(os.getpid(), signal.SIGKILL)
            while ending is Ending.STALLED:
                self.pause(3600.0)
        self._event("role_end", iteration, {"log_file": f"{self.files.folder}/logs/{role}.log"}, role=role)
        return None

    def _gates(self, iteration: int, last: bool) -> None:
        done = last and self.plan.ending is Ending.COMPLETE
        text = "SUPERLOOP_COMPLETE" if done else ""
        promise = {"expected": "SUPERLOOP_COMPLETE", "text": text, "matched": done}
        self._event("promise_checked", iteration, promise)
        for gate in _GATES:
            self._event(f"{gate}_start", iteration, {"enabled": "true"})
            self._event(f"{gate}_end", iteration, {"status": "ok", "ok": True})
        approval = "pending" if done and self.plan.approval else "skipped"
        gates = dict.fromkeys(_GATES, "ok") | {"approval": approval}
        self._event("gates_evaluated", iteration, {"promise": done, **gates, "stuck": "n/a"})
        completion = done and not self.plan.approval
        data = {"ended_at": stamp(), "completion": completion, "promise": done, **gates}
        self._event("iteration_end", iteration, data)

    def _end(self) -> int:
        plan, files, iteration = self.plan, self.files, self.plan.iterations
        if plan.ending is not Ending.COMPLETE:
            files.add_summary(self._entry(iteration, completed=False, approval="skipped"))
            data = {"reason": "max_iterations", "max_iterations": iteration}
            self._event("loop_stop", iteration + 1, data)
            files.write_state(active=False, iteration=iteration + 1)
            return 1
        if plan.approval:
            files.add_summary(self._entry(iteration, completed=False, approval="pending"))
            files.rewrite(files.approval, self._approval_request(iteration))
            data = {"approval_file": f".superloop/loops/{self.loop_id}/approval.json", "promise": True}
            self._event("approval_requested", iteration, data | dict.fromkeys(_GATES, "ok"))
            files.write_state(active=False, iteration=iteration)
            return 0
        files.add_summary(self._entry(iteration, completed=True, approval="skipped"))
        self._event("loop_complete", iteration, {"iteration": iteration, "run_id": self.run_id})
        files.write_state(active=False, iteration=1)
        return 0

    def _entry(self, iteration: int, *, completed: bool, approval: str, run_id: str | None = None) -> dict[str, Any]:
        promised = completed or approval == "pending"
        text = "SUPERLOOP_COMPLETE" if promised else None
        return {
            "run_id": run_id or self.run_id,
            "iteration": iteration,
            "started_at": self.run_id,
            "ended_at": stamp(),
            "promise": {"expected": "SUPERLOOP_COMPLETE", "text": text, "matched": promised},
            "gates": dict.fromkeys(_GATES, "ok") | {"approval": approval},
            "tests_mode": "every",
            "stuck": {"streak": 0, "threshold": 3},
            "delegation": {},
            "completion_ok": completed,
            "artifacts": {"events": self.files.reference("events.jsonl")},
        }

    def _approval_request(self, iteration: int) -> dict[str, Any]:
        return {
            "status": "pending",
            "loop_id": self.loop_id,
            "run_id": self.run_id,
            "iteration": iteration,
            "requested_at": stamp(),
            "iteration_started_at": self.run_id,
            "iteration_ended_at": stamp(),
            "candidate": {
                "promise": {"expected": "SUPERLOOP_COMPLETE", "text": "SUPERLOOP_COMPLETE", "matched": True},
                "gates": dict.fromkeys(_GATES, "ok"),
            },
            "files": {"evidence": f".superloop/loops/{self.loop_id}/evidence.json"},
        }


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated

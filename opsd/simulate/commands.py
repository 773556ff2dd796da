"""``cancel`` and ``approve`` of the simulated runtime, with the effects and words of the real ones (contract 05, 8)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsd.contract.errors import OpsError
from opsd.simulate.files import RunFiles, read_object, stamp

#: What the command line of a simulated run contains; a process without it is not stopped.
RUN_MARK = b"simulate\0run"


def cancel(repo: Path, *, pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Repo-wide, as the real one: the lines that it prints."""
    root = repo / ".superloop"
    state, active = root / "state.json", root / "active-run.json"
    if not state.is_file() and not active.is_file():
        return ["No active state file found."]
    state.unlink(missing_ok=True)
    lines: list[str] = []
    closing = "Cancelled loop state."
    if active.is_file():
        run = read_object(active)
        stopped = _stop(run.get("pid"), run.get("pgid"), pause)
        closing = stopped or closing
        active.unlink(missing_ok=True)
        if isinstance(run.get("loop_id"), str):
            lines.append(f"Cancelled loop: {run['loop_id']}")
    return [*lines, closing]


def _stop(pid: Any, pgid: Any, pause: Callable[[float], None]) -> str | None:
    """Stop the run's process; the closing line, None when there was nothing to stop."""
    if not isinstance(pid, int) or not _is_run(pid):
        return None
    for number, line in (
        (signal.SIGTERM, "Cancelled loop state and stopped active run process."),
        (signal.SIGKILL, "Cancelled loop state and force-stopped active run process."),
    ):
        _signal(pid, pgid, number)
        for _ in range(100):
            if not _is_run(pid):
                return line
            pause(0.1)
    return None


def _signal(pid: int, pgid: Any, number: signal.Signals) -> None:
    try:
        if pid == pgid and pgid > 1:
            os.killpg(pgid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _is_run(pid: int) -> bool:
    try:
        return RUN_MARK in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def approve(repo: Path, loop_id: str, *, by: str, note: str, reject: bool) -> str:
    """Record the decision; the line that is printed.

    Raises:
        OpsError: there is no pending request.
    """
    if not loop_id:
        raise OpsError("--loop is required for approve")
    files = RunFiles(repo, loop_id)
    if not files.approval.is_file():
        raise OpsError(f"no approval request found for loop '{loop_id}'")
    try:
        request = json.loads(files.approval.read_bytes() or b'{"status": ""}')
    except ValueError:
        raise OpsError("parse error in approval.json") from None
    status = request.get("status") if request.get("status") is not None else "pending"
    if status != "pending":
        raise OpsError(f"approval request is not pending (status={status})")
    decision, at = "rejected" if reject else "approved", stamp()
    files.replace(
        files.approval,
        {
            **request,
            "status": decision,
            "decision": {"status": decision, "by": by, "note": note or None, "at": at},
            "decided_at": at,
            "decided_by": by,
            "decided_note": note or None,
        },
    )
    files.event(
        "approval_decision",
        str(request.get("run_id", "unknown")),
        int(request.get("iteration", 0)),
        {"status": decision, "by": by, "note": note or None, "at": at},
        role="human",
        status=decision,
    )
    return f"Recorded approval decision ({decision}) for loop '{loop_id}'."

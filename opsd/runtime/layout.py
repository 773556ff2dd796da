"""Where the runtime keeps the files of one loop (contract 10, part 2)."""

from __future__ import annotations

import os

from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId


def absolute_repo(path: str) -> str:
    """The repo as every envelope names it: absolute, ``.`` and ``..`` folded, symbolic links kept (contract 10, 1.6).

    Raises:
        UsageError: ``repo path not found: <path>``.
    """
    # POSIX lets normalisation keep exactly two leading slashes; nobody means anything by them here.
    folded = "/" + os.path.abspath(path).lstrip("/")
    if not os.path.isdir(folded):
        raise UsageError(f"repo path not found: {path}")
    return folded


class RuntimeLayout:
    """Absolute paths of one loop's runtime artifacts, and the relative ones that references show."""

    __slots__ = ("active_run", "approval", "events", "heartbeat", "loop_dir", "loop_id", "repo", "run_summary", "state")

    def __init__(self, repo: str, loop_id: LoopId) -> None:
        root = f"{repo.rstrip('/')}/.superloop"
        self.repo = repo
        self.loop_id = loop_id
        self.loop_dir = f"{root}/loops/{loop_id}"
        self.events = f"{self.loop_dir}/events.jsonl"
        self.run_summary = f"{self.loop_dir}/run-summary.json"
        self.approval = f"{self.loop_dir}/approval.json"
        self.heartbeat = f"{self.loop_dir}/heartbeat.v1.json"
        self.state = f"{root}/state.json"
        self.active_run = f"{root}/active-run.json"

    def relative(self, path: str) -> str:
        """The path below the repo, as artifact references show it."""
        return path[len(self.repo.rstrip("/")) + 1 :]

"""Does the daemon itself work? One answer for ``/readyz``, for the watchdog and for the metrics."""

from __future__ import annotations

from collections import Counter

from opsd.supervisor.tasks.supervisor import TaskState, TaskSupervisor
from opsd.supervisor.vitals.watchdog import BlockDetector


class SelfCheck:
    """Collects what is wrong with the daemon; what is wrong with a loop is that loop's health."""

    def __init__(self, tasks: TaskSupervisor, detector: BlockDetector) -> None:
        self._tasks = tasks
        self._detector = detector
        #: Why the registry on disk is not the one in force; None when it is.
        self.registry_problem: str | None = None
        #: Why the principals file on disk is not the one in force; None when it is.
        self.principals_problem: str | None = None
        #: The review deadline of the registry in force has passed; loops are observed, nothing autonomous happens.
        self.review_expired = False
        #: What is odd about the policy's permission for autonomy.
        self.governance: list[str] = []
        #: Registry entries that cannot be supervised, and why.
        self.unusable: dict[str, str] = {}

    def problems(self) -> list[str]:
        """Why not every task progresses; empty when all do."""
        found = self._tasks.problems()
        if self._detector.blocked:
            found.append("the event loop is blocked")
        return found

    def warnings(self) -> list[str]:
        """What somebody has to look after although the daemon works."""
        found = []
        if self.registry_problem is not None:
            found.append("the registry on disk cannot be used, the last good one is in force")
        if self.principals_problem is not None:
            found.append("the principals file on disk cannot be used, the last good one is in force")
        if self.review_expired:
            found.append("the review deadline of the policy has passed, autonomy is off")
        return found + self.governance

    def tasks_by_state(self) -> dict[str, int]:
        """How many tasks are in each state, every state named."""
        counted = Counter(status.state for status in self._tasks.status())
        return {state.value: counted[state] for state in TaskState}

"""What the daemon's listener shows of it (:class:`opsd.supervisor.http.listener.LiveView`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from opsd.runtime.threads import InThread
from opsd.supervisor.fleet.means import fleet_view
from opsd.supervisor.loops.status import loop_status
from opsd.supervisor.loops.supervisor import FleetSupervisor
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.vitals.self_check import SelfCheck


class DaemonView:
    """Lives on the event loop's thread.

    Args:
        settings: those that are in force, asked each time.
    """

    def __init__(
        self,
        repo: str,
        settings: Callable[[], Settings],
        fleet: FleetSupervisor,
        check: SelfCheck,
        in_thread: InThread,
    ) -> None:
        #: The daemon ends: it is no longer ready, and begins nothing more.
        self.draining = False
        self._repo = repo
        self._settings = settings
        self._fleet = fleet
        self._check = check
        self._in_thread = in_thread

    def readiness(self) -> tuple[bool, Sequence[str]]:
        """Whether everything progresses, and why not; also what else somebody has to look after."""
        problems = self._check.problems()
        if self.draining:
            problems.append("draining")
        return not problems, problems + self._check.warnings() + self._of_loops()

    def _of_loops(self) -> list[str]:
        """What is wrong with this host rather than with a loop: a full disk above all."""
        count = self._fleet.without_outcome()
        return [f"passes over {count} of the loops cannot use the manager's files, see the log"] if count else []

    def loops(self) -> Sequence[Mapping[str, object]]:
        """Every supervised loop."""
        return self._fleet.loops()

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """One supervised loop."""
        return self._fleet.loop(loop)

    async def status(self, loop: str) -> Mapping[str, object] | None:
        """The operator status of one supervised loop, from its files."""
        found = self._fleet.fleet.get(loop)
        return None if found is None else await self._in_thread(loop_status, found)

    async def fleet(self, name: str) -> Mapping[str, object]:
        """The fleet's status, policy or handoff state, from its files."""
        found: Mapping[str, object] = await self._in_thread(fleet_view, self._repo, self._settings(), name)
        return found

    def request_reconcile(self, loop: str) -> bool:
        """An operator wants a pass now."""
        return self._fleet.request_reconcile(loop)

"""A whole run of the dispatcher, for the one-shot command and for a pass (contract 50, 4, R3, R5, R6).

The daemon goes the same steps with a :class:`~opsd.alerts.run.drive.Drive` of its own, which it wakes when a loop has
news.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opsd.alerts.run.conclusion import reroute, revive
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.reporting import report_late
from opsd.alerts.run.step import step
from opsd.contract.errors import LockTimeoutError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import locks

if TYPE_CHECKING:
    from opsd.alerts.run.drive import Sender

#: How long another run of the loop is waited for, in seconds (R6).
LOCK_WAIT_S = 5.0


def dispatch(
    run: DispatchRun, open_sender: Callable[[], Sender], *, from_start: bool = False, replay: str = ""
) -> JsonObject:
    """A whole run in this thread; the state document, with ``lockBusy`` when another run holds the lock (R6).

    There is no event loop and no sender unless there is something to send.

    Args:
        from_start: the operator wants the escalations read from their first line again (W17).
        replay: the id of a dead letter that is to be told again, or ``all`` (R11).

    Raises:
        OpsError: the state, the offset or a file cannot be used (50, 4.1 to 4.3).
    """
    store = run.means.store
    store.prepare()
    try:
        held = store.lock(wait_s=LOCK_WAIT_S)
    except LockTimeoutError:
        run.line_count = run.offset
        return {**(store.read_state() or run.state()), "lockBusy": True}
    try:
        run.begin(from_start=from_start)
        if replay:
            revive(run, replay)
        reroute(run)
        if step(run, True):
            _drive(run, open_sender)
        report_late(run, all_of_them=True)
        return run.finish()
    finally:
        locks.release(held)


def _drive(run: DispatchRun, open_sender: Callable[[], Sender]) -> None:
    import asyncio

    from opsd.alerts.run.drive import Drive

    async def drive() -> None:
        sender = open_sender()
        try:
            await Drive(run, sender).drive()
        finally:
            await sender.close()

    asyncio.run(drive())

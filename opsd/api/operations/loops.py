"""Loops: pages of them, and their rows on disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from opsd.api.failure import ApiError, ErrorCode
from opsd.api.route import Call
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.registry import LoopEntry
from opsd.loop.summary_files import summary_of
from opsd.storage.files import signature
from opsd.storage.layout import ManagerLayout
from opsd.storage.model import RowLog
from opsd.storage.tail import tail_rows

_T = TypeVar("_T")

View = Mapping[str, object]


def entry_of(call: Call) -> LoopEntry:
    """The registry entry of the loop that a path names.

    Raises:
        ApiError: there is none.
    """
    found = call.host.entry(call.path["loop"])
    if found is None:
        raise ApiError(ErrorCode.NOT_FOUND, "no such loop")
    return found


def page_of(
    views: Sequence[View], *, state: str | None, health: str | None, reason: str | None, limit: int, cursor: str | None
) -> tuple[list[View], str | None]:
    """The loops behind ``cursor`` in the order of their ids, and the cursor of the page behind them. Pure."""

    def wanted(view: View) -> bool:
        codes = view.get("reasonCodes")
        return (
            (state is None or view.get("state") == state)
            and (health is None or view.get("healthStatus") == health)
            and (reason is None or (isinstance(codes, list) and reason in codes))
            and (cursor is None or str(view["loopId"]) > cursor)
        )

    found = sorted(filter(wanted, views), key=lambda view: str(view["loopId"]))
    page = found[:limit]
    return page, str(page[-1]["loopId"]) if len(found) > limit else None


def escalations(repo: str, loop: LoopId, limit: int) -> list[JsonObject]:
    """The newest escalation rows, oldest first.

    Raises:
        ManagerFileError: one of them is not a JSON object.
    """
    rows = tail_rows(ManagerLayout(repo, loop).path(RowLog.ESCALATIONS), limit)
    return list(rows)


def telemetry(repo: str, loop: LoopId, window: int) -> JsonObject:
    """The summary of a loop's newest passes.

    Raises:
        ApiError: there was no pass yet.
        ManagerFileError: a bad row inside the window.
    """
    layout = ManagerLayout(repo, loop)
    reconcile_file = layout.path(RowLog.RECONCILE)
    if signature(reconcile_file) is None:
        raise ApiError(ErrorCode.NOT_FOUND, "there is no telemetry of this loop yet")
    return summary_of(repo, loop, reconcile_file, layout.path(RowLog.CONTROL), window)


async def in_own_thread(work: Callable[[], _T]) -> _T:
    """Work that may take minutes and holds none of the threads that passes need."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result, error = work(), None
        except BaseException as caught:  # noqa: BLE001 - handed to whoever waits
            result, error = None, caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the event loop has ended; what was done is in the rows
            return

    threading.Thread(target=run, name="opsd-api", daemon=True).start()
    return await done

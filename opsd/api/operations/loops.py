"""Loops: pages of them, and their rows on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsd.api.failure import ApiError, ErrorCode
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.loop.summary_files import summary_of
from opsd.storage.files import signature
from opsd.storage.layout import ManagerLayout
from opsd.storage.model import RowLog
from opsd.storage.tail import tail_rows

View = Mapping[str, object]


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

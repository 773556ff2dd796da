"""Windows in which nothing is applied (contract 95, 4.2 step 9). The file fails closed, as a whole (weakness 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import compact_text, first_present
from opsd.promotion.controller.words import Reason


@dataclass(frozen=True, slots=True)
class FreezeWindow:
    """One window, both ends included; seconds since 1970, and as its file has it."""

    begin: int
    end: int
    document: JsonObject

    def active(self, now: int) -> bool:
        """``now`` lies in it."""
        return self.begin <= now <= self.end


def freeze_windows(data: bytes | None, path: str) -> tuple[FreezeWindow, ...]:
    """The windows in the file at ``path``, in its order.

    Raises:
        UsageError: there is no file, it is no object with an array of windows, or one of them is no window.
    """
    if data is None:
        raise UsageError(f"freeze windows file not found: {path}")
    document = jsoncodec.object_in(data)
    windows = () if document is None else document.get("windows", [])
    if windows is not None and not isinstance(windows, list):
        raise UsageError(f"invalid freeze windows JSON: {path}")
    found = [_window(entry) for entry in windows or []]
    if None in found:
        raise UsageError(f"freeze windows file contains invalid window entries: {path}")
    return tuple(window for window in found if window is not None)


def active_windows(windows: Sequence[FreezeWindow], now: int) -> list[JsonObject]:
    """Those in which ``now`` lies, as the record lists them."""
    return [window.document for window in windows if window.active(now)]


def _window(entry: JsonValue) -> FreezeWindow | None:
    if not isinstance(entry, dict):
        return None
    start = first_present(entry.get("start"), entry.get("startAt"))
    end = first_present(entry.get("end"), entry.get("endAt"))
    first, last = parse_epoch(start), parse_epoch(end)
    if first is None or last is None or last < first:
        return None
    reason = compact_text(first_present(entry.get("reason"), Reason.FREEZE.value))
    return FreezeWindow(first, last, {"start": start, "end": end, "reason": reason})

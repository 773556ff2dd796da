"""The fleet as a table on a terminal: what the daemon's live API says, one line per loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get, printable

_STATE_STYLES = {
    "running": "bold green",
    "complete": "cyan",
    "awaiting_approval": "bold yellow",
    "stopped": "magenta",
    "failed": "bold red",
}
_HEALTH_STYLES = {"healthy": "green", "degraded": "yellow", "critical": "bold red"}


#: Columns in the order shown; those that are not needed go first where the terminal is narrow.
_COLUMNS = ("loop", "lifecycle", "health", "reasons", "iteration", "events", "lag", "last event", "following", "policy")
_NEEDS_WIDTH = {"policy": 104, "last event": 130, "iteration": 160, "events": 160, "following": 170}
_NUMBERS = frozenset({"iteration", "events", "lag"})
_WIDE = 120


def fleet_table(
    loops: Sequence[dict[str, Any]], *, now: float, title: str, width: int, told: Mapping[str, str] | None = None
) -> Table:
    """The table for a console of ``width`` columns; ``now`` in seconds since 1970, for ages.

    ``told`` says what the fleet's policy makes of a loop.
    """
    shown = [name for name in _COLUMNS if width >= _NEEDS_WIDTH.get(name, 0)]
    look = box.HEAVY_HEAD if width >= _WIDE else box.SIMPLE_HEAD
    table = Table(title=title, title_justify="left", box=look, pad_edge=width >= _WIDE)
    for name in shown:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
    for view in sorted(loops, key=lambda item: str(item["loopId"])):
        cells = _cells(view, now)
        cells["policy"] = _shown((told or {}).get(str(view["loopId"]), ""))
        table.add_row(*(cells[name] for name in shown))
    return table


def _cells(view: dict[str, Any], now: float) -> dict[str, Text]:
    state = str(view.get("state") or "not seen yet")
    health = str(view.get("healthStatus") or "-")
    failure = view.get("lastFailure") or {}
    last = parse_epoch(view.get("lastEventAt"))
    # Text, not markup and not escapes: what a sprite says is data.
    return {
        "loop": _shown(str(view["loopId"])),
        "lifecycle": _shown(state, style=_STATE_STYLES.get(state, "dim")),
        "health": _shown(health, style=_HEALTH_STYLES.get(health, "dim")),
        "reasons": _shown("\n".join(view.get("reasonCodes") or []) or str(failure.get("code", ""))),
        "iteration": _shown(str(get(view, "run", "iteration") or "")),
        "events": _shown(str(get(view, "cursor", "eventLineOffset") or 0)),
        "lag": _shown("" if last is None else age(now - last)),
        "last event": _shown(str(view.get("lastEventName") or "")),
        "following": _shown(str(view.get("following") or "")),
    }


def _shown(value: str, style: str = "") -> Text:
    lines = [printable(line) for line in value.split("\n")]
    return Text("\n".join(lines), style=style)


def age(seconds: float) -> str:
    """A duration in the largest fitting unit."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"

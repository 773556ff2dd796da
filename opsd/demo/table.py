"""The fleet as a table on a terminal: what the daemon's live API says, one line per loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get

_STATE_STYLES = {
    "running": "bold green",
    "complete": "cyan",
    "awaiting_approval": "bold yellow",
    "stopped": "magenta",
    "failed": "bold red",
}
_HEALTH_STYLES = {"healthy": "green", "degraded": "yellow", "critical": "bold red"}


def fleet_table(loops: Sequence[dict[str, Any]], *, now: float, title: str) -> Table:
    """The table; ``now`` in seconds since 1970, for ages."""
    table = Table(title=title, expand=False, title_justify="left")
    for name in ("loop", "lifecycle", "health", "reasons", "iteration", "events", "lag", "last event", "following"):
        table.add_column(name, justify="right" if name in ("iteration", "events", "lag") else "left", no_wrap=True)
    for view in sorted(loops, key=lambda item: str(item["loopId"])):
        state = str(view.get("state") or "not seen yet")
        health = str(view.get("healthStatus") or "-")
        failure = view.get("lastFailure") or {}
        reasons = ", ".join(view.get("reasonCodes") or []) or str(failure.get("code", ""))
        last = parse_epoch(view.get("lastEventAt"))
        table.add_row(
            str(view["loopId"]),
            Text(state, style=_STATE_STYLES.get(state, "dim")),
            Text(health, style=_HEALTH_STYLES.get(health, "dim")),
            reasons,
            str(get(view, "run", "iteration") or ""),
            str(get(view, "cursor", "eventLineOffset") or 0),
            "" if last is None else age(now - last),
            str(view.get("lastEventName") or ""),
            str(view.get("following") or ""),
        )
    return table


def age(seconds: float) -> str:
    """A duration in the largest fitting unit."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
